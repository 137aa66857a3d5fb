"""How two modalities are attacked in training: in what order, against what, how often."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PRNGKeyArray

from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold
from mat_jax.defenses.inner.images import ImageObjective, WithCleanTexts, against_texts
from mat_jax.types.arrays import Batch, Tokens

Move = Literal["text", "image"]
Opponent = Literal["attacked", "clean"]
# `texts(batch, keys)`: the captions of the batch attacked, against its images; a key an example.
TextMove = Callable[[Batch, Key[Array, " batch"]], Tokens]
# `images(batch, tokens, key)`: the batch with its images attacked, against these captions.
ImageMove = Callable[[Batch, Tokens, PRNGKeyArray], Batch]


@dataclass(frozen=True)
class Strategy:
    """MAT's axes inside the maximisation; the defaults are MAT as published.

    Args:
        order: the moves, one after another. ("text", "image") attacks the text first, ("image",
            "text") the image; ("text", "image", "text", "image") alternates for two rounds. A move
            starts from the clean modality again, against the other as it stands by then.
        against: a move sees the other modality "attacked", as far as it is, or always "clean":
            then the two are independent, and the order does not matter.
        objective: what the image climbs, one of `defenses.inner.images`: `against_texts`,
            `away_from_texts`, `kl_from_clean`, `far_from_clean`, or `WithCleanTexts` of one of the
            first two.
        share: how many of the captions are attacked, 0 to 1, drawn anew at each step.
    """

    order: tuple[Move, ...] = ("text", "image")
    against: Opponent = "attacked"
    objective: ImageObjective = against_texts
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.order or not set(self.order) <= set(get_args(Move)):
            raise ValueError(f"order {self.order!r} must be moves out of {get_args(Move)}")
        if self.against not in get_args(Opponent):
            raise ValueError(f"against is 'attacked' or 'clean', got {self.against!r}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} is a share of the captions, 0 to 1")
        if isinstance(self.objective, WithCleanTexts) and not self.sees_attacked_texts:
            raise ValueError(
                f"WithCleanTexts with order {self.order}, share {self.share} and against "
                f"{self.against!r}: no "
                "image is attacked after a text, so both halves would be of clean captions; let a "
                "text move come first, or leave WithCleanTexts out"
            )

    @property
    def sees_attacked_texts(self) -> bool:
        """Whether some image is attacked against captions that were attacked before."""
        text = self.order.index("text") if "text" in self.order else len(self.order)
        return self.share > 0 and self.against == "attacked" and "image" in self.order[text:]

    def play(
        self,
        batch: Batch,
        key: PRNGKeyArray,
        images: ImageMove,
        texts: TextMove | None,
        *,
        numbers: Int[Array, " batch"] | None = None,
    ) -> Batch:
        """The batch after all moves, those of the text left out where `texts` is None.

        What is drawn for the captions of an example is drawn from its number, its id if None.
        """
        attacked, numbers = batch, batch.ids if numbers is None else numbers
        for turn, move in enumerate(self.order):
            seen = attacked if self.against == "attacked" else batch
            if move == "image":
                # An image that is attacked twice starts from another point of its ball.
                again = "image" in self.order[:turn]
                start = jax.random.fold_in(key, 2 + turn) if again else key
                attacked = images(batch, seen.tokens, start)._replace(tokens=attacked.tokens)
            elif texts is not None:
                keys = example_keys(jax.random.fold_in(key, 2), numbers)
                tokens = texts(batch._replace(images=seen.images), fold(keys, turn))
                tokens = some(tokens, batch.tokens, keys, self.share)
                attacked = attacked._replace(tokens=tokens)
        return attacked


def some(attacked: Tokens, clean: Tokens, keys: Key[Array, " batch"], share: float) -> Tokens:
    """The attacked captions in a share of places, the clean ones elsewhere; a key an example."""
    if share == 1:
        return attacked
    count = clean.ids.shape[1]

    def draw(key: Array) -> Array:
        return jax.random.uniform(key, (count,))

    drawn = jax.vmap(draw)(keys) < share
    return jax.tree.map(lambda new, old: jnp.where(drawn[..., None], new, old), attacked, clean)
