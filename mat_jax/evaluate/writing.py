"""How a model writes the captions that are scored, and which further scores are asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Decoding of captions: BLIP's protocol by default (Li et al., 2022, their released code).

    Args:
        beams: of the search; 1 is greedy.
        prompt: what every caption starts with. It is read and not scored. BLIP's released
            captioners have "a picture of".
        min_length, max_length: in ids, with the start, the prompt and the end.
        meteor: folder of METEOR's program, see `captions.meteor`; None leaves METEOR out.
        spice: folder of SPICE's program, see `captions.spice`; None leaves SPICE out.

    Raises:
        ValueError: a value outside its range, in one sentence.
    """

    beams: int = 3
    prompt: str = ""
    min_length: int = 5
    max_length: int = 20
    meteor: str | Path | None = None
    spice: str | Path | None = None

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise ValueError(f"beams is {self.beams}: it must be at least 1, which is greedy")
        if not 1 <= self.min_length < self.max_length:
            raise ValueError(
                f"captions of {self.min_length} to {self.max_length} ids cannot be written: "
                "min_length must be at least 1 and below max_length"
            )

    @property
    def told(self) -> str:
        """In words, for the protocol."""
        how = "greedy" if self.beams == 1 else f"beam search of {self.beams}"
        start = f", after {self.prompt!r}" if self.prompt else ""
        return f"{how}, {self.min_length} to {self.max_length} ids{start}"
