"""`mat-jax models`: families, the models that are shipped, and what else can be loaded."""

import json
from collections.abc import Sequence
from pathlib import Path

from mat_jax.cli.help_text import Grouped
from mat_jax.cli.listing import table
from mat_jax.models.files import SHIPPED
from mat_jax.models.formats.folders import IN_CHECKOUT, WEIGHTS

FAMILIES = (
    ("CLIP", "retrieval, zero-shot", "OpenAI's, open_clip's and transformers' files, any size"),
    ("ALBEF, TCL", "retrieval, entailment, questions, grounding", "the published checkpoints"),
    (
        "BLIP",
        "retrieval, captioning, questions",
        "the published checkpoints, transformers' folders",
    ),
    ("ALIGN", "retrieval, zero-shot", "transformers' folders"),
    ("BERT", "proposes words for attacks", "masked language models of transformers"),
)
# As docs/guide.md says, on held-out scenes.
SCORES = {
    "scenes-clip": ("retrieval, zero-shot", "TR@1 / IR@1 94.3 / 81.4"),
    "scenes-albef": ("retrieval, grounding", "TR@1 / IR@1 93.8 / 83.9"),
    "scenes-blip": ("retrieval", "TR@1 / IR@1 91.3 / 82.3"),
    "scenes-captioner": ("captioning", "20 % of its captions wholly true"),
    "scenes-entailment": ("entailment", "right on 70.2 % of 3,000 sentences"),
    "scenes-vqa": ("vqa", "right on 67.3 % of 4,000 questions"),
    "scenes-bert": ("proposes words", "-"),
}


def parser() -> Grouped:
    """Every option that there is."""
    return Grouped(
        "mat-jax models",
        "mat-jax models",
        "Lists the families, the models that come with the package, and what can be loaded.",
        "mat-jax models",
    )


def run(arguments: Sequence[str], /) -> int:
    """List them."""
    parser().parse_args(list(arguments))
    print(table(("family", "tasks", "read from"), FAMILIES))
    print("\nshipped, trained on scenes and not defended; any other name is a folder or a hub id")
    rows = [(name, size(SHIPPED / name), *told) for name, told in SCORES.items()]
    print(table(("name", "size", "task", "scores on held-out scenes"), rows))
    print(
        "\nloaded is also a folder of transformers (config.json, tokenizer, model.safetensors), a "
        "hub id such as\nopenai/clip-vit-base-patch32, the export/ of a run, and a file of weights "
        '(ViT-B-16.pt).\nmat-jax attack photo.jpg "a caption" --model NAME attacks any of them.'
    )
    return 0


def size(folder: Path) -> str:
    """Numbers in the file of weights, in millions, and the file's size."""
    file = folder / WEIGHTS
    if not file.is_file():
        return "in a checkout" if folder.name in IN_CHECKOUT else "-"
    with file.open("rb") as opened:  # the head of a safetensors file is its length and JSON
        head = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    count = 0
    for name, tensor in head.items():
        if name != "__metadata__":
            own = 1
            for side in tensor["shape"]:
                own *= side
            count += own
    return f"{count / 1e6:.2f} M, {file.stat().st_size / 1e6:.1f} MB"
