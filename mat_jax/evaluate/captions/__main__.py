"""Score the captions that a model wrote, as coco-caption does.

python -m mat_jax.evaluate.captions results.json --annotations captions_val2014.json

`results.json` is COCO's list of {image_id, caption}; `captions_val2014.json` COCO's own file, or
one with the same `annotations`: [{image_id, caption}]. METEOR and SPICE are scored where the
folders of their programs are given with --meteor and --spice.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mat_jax.evaluate.captions import caption_scores, meteor, spice
from mat_jax.utils.command_line import Parser
from mat_jax.utils.json_files import json_contents


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""
    parser = Parser(prog="python -m mat_jax.evaluate.captions", description=__doc__)
    parser.add_argument("results", type=Path, help="JSON: [{image_id, caption}], one a picture")
    parser.add_argument("--annotations", type=Path, required=True, help="COCO's captions")
    parser.add_argument("--meteor", type=Path, help="the folder of meteor-1.5.jar")
    parser.add_argument("--spice", type=Path, help="the folder of spice-1.0.jar")
    try:
        given = parser.parse_args(arguments)
        written, references = pairs(given.results, given.annotations)
        figures = caption_scores(written, references).figures
        if given.meteor:
            figures["METEOR"] = meteor(written, references, folder=given.meteor)
        if given.spice:
            figures["SPICE"] = spice(written, references, folder=given.spice)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(written)} pictures")
    for name, value in figures.items():
        print(f"{name:<8} {value:.4f}")
    return 0


def pairs(results: Path, annotations: Path) -> tuple[list[str], list[list[str]]]:
    """What was written of each picture of `results`, and what people wrote of it.

    Raises:
        ValueError: a file of another form, two captions of a picture, or one without references.
    """
    own: dict[Any, str] = {}
    for image, caption in _rows(results, json_contents(results, "written captions")):
        if image in own:
            raise ValueError(f"{str(results)!r} has two captions of picture {image}, expected one")
        own[image] = caption
    contents = json_contents(annotations, "captions of people")
    rows = contents.get("annotations") if isinstance(contents, dict) else contents
    people: dict[Any, list[str]] = {image: [] for image in own}
    for image, caption in _rows(annotations, rows):
        if image in people:
            people[image].append(caption)
    without = [image for image, texts in people.items() if not texts]
    if without:
        raise ValueError(
            f"{str(annotations)!r} has no caption of picture {without[0]} and {len(without) - 1} "
            "others of the results: give the annotations of the same split"
        )
    return list(own.values()), list(people.values())


def _rows(path: Path, rows: Any) -> list[tuple[Any, str]]:
    try:
        return [(row["image_id"], str(row["caption"])) for row in rows]
    except (TypeError, KeyError):
        raise ValueError(
            f"{str(path)!r} does not list {{image_id, caption}}; give COCO's results or annotations"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
