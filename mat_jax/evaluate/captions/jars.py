"""METEOR and SPICE by their authors' own programs, which are in Java.

Both come with pycocoevalcap (`pip download pycocoevalcap` and unpack it): its folders `meteor` and
`spice`. Nothing is approximated here: without the program there is no figure.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mat_jax.evaluate.captions.ptb import ptb_tokens

METEOR, SPICE = "meteor-1.5.jar", "spice-1.0.jar"
MODELS = "stanford-corenlp-3.6.0-models.jar"  # of SPICE's parser, not in pycocoevalcap's package
FILES = {"METEOR": (METEOR, "data/paraphrase-en.gz"), "SPICE": (SPICE, f"lib/{MODELS}")}


def meteor(written: Sequence[str], references: Sequence[Sequence[str]], *, folder: Path) -> float:
    """METEOR 1.5 of all captions together, 0 to 1 (Denkowski and Lavie, WMT 2014).

    Args:
        written: one caption a picture.
        references: the captions of people, at least one a picture.
        folder: that of `meteor-1.5.jar`, with `data/paraphrase-en.gz` beside it.

    Raises:
        ValueError: Java or a file of the program is missing, or it failed.
    """
    java = require_java("METEOR", folder)
    command = [java, "-jar", "-Xmx2G", METEOR, "-", "-", "-stdio", "-l", "en", "-norm"]
    program = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    with program:
        counts = []
        for own, people in zip(written, references, strict=True):
            texts = [_joined(text).replace("|||", "") for text in (*people, own)]
            counts.append(_answer(program, " ||| ".join(("SCORE", *texts))))
        # One figure for each caption, then that of all.
        figure = _answer(program, " ||| ".join(("EVAL", *counts)))
        for _ in written:
            figure = _line(program)
        assert program.stdin is not None
        program.stdin.close()
    return float(figure)


def spice(written: Sequence[str], references: Sequence[Sequence[str]], *, folder: Path) -> float:
    """SPICE of all captions, the mean F-score, 0 to 1 (Anderson et al., ECCV 2016).

    Args:
        written: one caption a picture.
        references: the captions of people, at least one a picture.
        folder: that of `spice-1.0.jar`, with `lib/` beside it.

    Raises:
        ValueError: Java or a file of the program is missing, or it failed.
    """
    java = require_java("SPICE", folder)
    rows = [
        {"image_id": row, "test": _joined(own), "refs": [_joined(text) for text in people]}
        for row, (own, people) in enumerate(zip(written, references, strict=True))
    ]
    with tempfile.TemporaryDirectory() as place:
        asked, told = Path(place, "captions.json"), Path(place, "scores.json")
        asked.write_text(json.dumps(rows))
        command = [java, "-jar", "-Xmx8G", SPICE, asked, "-out", told, "-subset", "-silent"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode or not told.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ValueError(f"SPICE ended with status {done.returncode}: {last}")
        scores = [row["scores"]["All"]["f"] for row in json.loads(told.read_text())]
    return float(np.mean([np.nan if score is None else score for score in scores]))


def _joined(caption: str) -> str:
    return " ".join(ptb_tokens(caption))


def require_java(name: str, folder: Path) -> str:
    """Where Java is, if all files of a program are there: "METEOR" or "SPICE".

    Raises:
        ValueError: Java or a file is missing, in one sentence.
    """
    for file in FILES[name]:
        if not (folder / file).is_file():
            raise ValueError(
                f"{name} needs {str(folder / file)!r}, which is not there: give the folder of the "
                "original program, as it comes with pycocoevalcap"
            )
    java = shutil.which("java")
    if java is None:
        raise ValueError(f"{name} is a Java program and there is no java here: install a JRE")
    return java


def _answer(program: subprocess.Popen[str], line: str) -> str:
    assert program.stdin is not None
    program.stdin.write(f"{line}\n")
    program.stdin.flush()
    return _line(program)


def _line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    line = program.stdout.readline().strip()
    if not line:
        raise ValueError("METEOR gave no answer and ended; run its jar by hand to see why")
    return line
