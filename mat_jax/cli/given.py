"""What `mat-jax attack` is given: a picture, a folder with a file of captions, or scenes."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mat_jax import data
from mat_jax.data import RetrievalJson
from mat_jax.data.clean import clean_caption
from mat_jax.utils.files import write_text
from mat_jax.utils.spelling import meant

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FILES = (".json", ".jsonl", ".txt", ".csv", ".token")
SCENES = 5  # drawn where no number is given


def pictures_given(
    path: Path, said: Sequence[str], *, drawn: Path, limit: int | None = None
) -> RetrievalJson:
    """The pictures with their captions, in the form of a file of the field.

    Args:
        path: a picture, a folder of pictures, or `scenes` for drawn ones with their captions.
        said: of a picture its captions; of a folder its file of captions, which may be left out
            where one lies inside.
        drawn: the folder that drawn scenes are put into.
        limit: only the first so many pictures.

    Raises:
        FileNotFoundError: there is no such picture, folder or file.
        ValueError: a picture without captions, or a folder without a file of them.
    """
    if path.is_dir():
        return _of_folder(path, said, limit)
    if str(path) == "scenes" and not path.exists():
        return _of_scenes(drawn, limit or SCENES)
    if not path.exists():
        near = meant(path.name, [*_beside(path), "scenes"])
        raise FileNotFoundError(f"there is no picture or folder {str(path)!r}{near}")
    if not said:
        raise ValueError(
            f'{path.name} has no caption: mat-jax attack {path.name} "what is in it"; several '
            "captions may follow one another"
        )
    for text in said:
        if not clean_caption(text):
            raise ValueError(f"the caption {text!r} holds no word: say what is in the picture")
    return RetrievalJson(
        name=path.name,
        form="a picture",
        paths=(path,),
        texts=(tuple(said),),
        partner_texts=((),),
        partner_paths=((),),
    )


def _of_scenes(folder: Path, count: int) -> RetrievalJson:
    """Scenes that no shipped model was trained on, written as one's own pictures would be."""
    source = data.load_scenes("test", limit=count)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(len(source)):
        name = f"scene-{number}.png"
        Image.fromarray(source[number].image).save(folder / name)
        rows.append({"image": name, "caption": list(source.captions(number))})
    write_text(folder / "captions.json", json.dumps(rows, indent=1) + "\n")
    return data.retrieval_json(folder / "captions.json", folder)


def _of_folder(folder: Path, said: Sequence[str], limit: int | None) -> RetrievalJson:
    if len(said) > 1:
        raise ValueError(
            f"{folder} is a folder of pictures, and {len(said)} captions cannot be theirs: give "
            "one file that says which caption is whose, or one picture"
        )
    if said:
        file = next((one for one in (Path(said[0]), folder / said[0]) if one.is_file()), None)
        if file is None:
            raise FileNotFoundError(
                f"there is no file of captions {said[0]!r}; of a folder give a JSON, JSON-lines or "
                "token file that names its pictures"
            )
        return data.retrieval_json(file, folder, limit)
    found, problems = [], []
    for file in sorted(one for one in folder.iterdir() if one.suffix.lower() in FILES):
        try:
            found.append(data.retrieval_json(file, folder, limit))
        except (ValueError, OSError) as error:
            problems.append(str(error))
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{folder} holds {len(found)} files of captions ({', '.join(f.name for f in found)}): "
            f"name one, mat-jax attack {folder} FILE"
        )
    why = f" ({problems[0]})" if problems else ""
    raise ValueError(
        f"{folder} holds no file of captions that can be read{why}: give one, "
        f"mat-jax attack {folder} captions.json"
    )


def _beside(path: Path) -> list[str]:
    """Pictures in the folder where one was looked for."""
    folder = path.parent
    if not folder.is_dir():
        return []
    return [one.name for one in folder.iterdir() if one.suffix.lower() in PICTURES]
