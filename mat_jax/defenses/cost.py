"""What a step of training costs, in passes through the two towers, counted from the settings."""

from typing import Any, NamedTuple

from mat_jax.data.substitutes.characters import CHARACTERS
from mat_jax.defenses.base import Defense
from mat_jax.defenses.fare import FARE
from mat_jax.defenses.fine_tune import FineTune
from mat_jax.defenses.inner.images import WithCleanTexts, far_from_clean, kl_from_clean
from mat_jax.defenses.leaf import FARELEAF, LEAF
from mat_jax.defenses.mat import MAT
from mat_jax.defenses.mat_plus import MATPlus
from mat_jax.defenses.mava import MAVA
from mat_jax.defenses.mmcoa import MMCoA
from mat_jax.defenses.pmg_aft import PMGAFT
from mat_jax.defenses.qt_aft import QTAFT
from mat_jax.defenses.sim_clip import SimCLIP
from mat_jax.defenses.tecoa import TeCoA
from mat_jax.defenses.tecoa_itr import TeCoAITR
from mat_jax.defenses.tga_zsr import TGAZSR


class Passes(NamedTuple):
    """Passes for one example of the batch; those of the frozen original are among the forwards."""

    image_forwards: float = 0.0
    image_backwards: float = 0.0  # to the pixels alone
    image_updates: float = 0.0  # backward to the weights
    text_forwards: float = 0.0
    text_updates: float = 0.0
    text_backwards: float = 0.0  # to the embedded words alone

    def relative(self, image: float, text: float) -> float:
        r"""The cost over that of a plain fine-tuning step, whose forward and backward make 1.

        $$\frac{w_i (F_i + B_i + 2 U_i) + w_t (F_t + B_t + 2 U_t)}{3 (w_i + w_t)}$$

        with a forward pass of an image (a caption) costing $w_i$ ($w_t$): a dense layer is one
        product forward, one backward to its input, and two to input and weights. If images were all
        that costs, MAT without words would be 1 + 2/3 `steps`; with words a third of each share is
        added for the clean pair, and of the captions' for each that is scored. Optimizers, fusion
        and all but the towers are left out.
        """
        images = self.image_forwards + self.image_backwards + 2 * self.image_updates
        texts = self.text_forwards + self.text_backwards + 2 * self.text_updates
        return (image * images + text * texts) / (3 * (image + text))


def passes(
    defense: Defense[Any], *, batch_size: int, open_words: float = 7.0, captions: int = 5
) -> Passes:
    """The passes of one step, with all its `replays`, of a model that compares and does not fuse.

    What one model encodes twice in a step counts once: the compiler sees that it is the same. A
    word attack encodes a caption without each of its open words, and with each candidate for the
    most important one (or what `search` says); where no candidate harms, more words are visited
    than counted. A tower that does not train needs no backward pass to its weights.

    Args:
        defense: any of `mat_jax.defenses` but `MaskedWords`.
        batch_size: among so many examples the class prompts are shared.
        open_words: words with candidates, of the caption of the batch that has most.
        captions: of an image, where the defence takes all.

    Raises:
        ValueError: a defence that nobody has counted.

    >>> passes(FineTune(), batch_size=64).relative(1.0, 1.0)
    1.0
    >>> passes(TeCoAITR(steps=2), batch_size=64).relative(1.0, 0.0)  # pictures are all that costs
    2.3333333333333335
    """
    prompts = defense.prompt_count / batch_size
    steps = defense.pgd.steps if defense.pgd is not None else 0
    match defense:
        case FineTune():
            found = Passes(1, 0, 1, 1, 1)
        case TeCoAITR():
            found = Passes(steps + 1, steps, 1, 1, 1)
        case MAT():
            found = _mat(defense, open_words)
        case MATPlus():
            texts = captions if defense.texts is None else defense.texts
            partners = defense.images + defense.views
            if defense.use == "pairs":
                found = Passes(*((texts + partners) * x for x in _mat(defense.mat, open_words)))
            else:
                # Pictures that are not attacked are encoded in all steps nevertheless.
                attacked = texts if defense.attack_partners else 1
                found = _mat(defense.mat, open_words, texts, attacked, 1 + partners)
        case MMCoA():
            found = _mmcoa(defense, prompts, open_words)
        case TeCoA():
            found = Passes(steps + 1, steps, 1, prompts)
        case PMGAFT() | TGAZSR():  # x', x, and one of them by the original
            found = Passes(steps + 3, steps, 2, prompts)
        case FARE():
            found = Passes(steps + 2, steps, 1)
        case SimCLIP():
            twins = 2 if defense.twin == "trained" else 1
            found = Passes(steps + 1 + twins, steps, twins)
        case QTAFT():
            found = Passes(steps + 2, steps, 1, 1)
        case MAVA():
            count = captions if defense.texts is None else defense.texts
            around = defense.count if defense.neighbours == "uniform" else 1
            found = Passes(
                2 + (steps + 1) * around,
                steps * around,
                1 + around,
                count if defense.cms else 0,
            )
        case LEAF():  # the clean caption by both models, and the attacked one
            found = Passes(text_forwards=3 + defense.positions + len(CHARACTERS), text_updates=1)
        case FARELEAF():
            image = passes(defense.fare, batch_size=batch_size)
            text = passes(defense.leaf, batch_size=batch_size)
            found = Passes(*(one + other for one, other in zip(image, text, strict=True)))
        case _:
            raise ValueError(
                f"the passes of {type(defense).__name__} are not counted: add it to defenses.cost"
            )
    return found._replace(
        image_updates=found.image_updates * defense.trains(("vision",)),
        text_updates=found.text_updates * defense.trains(("text",)),
    )


def _mat(
    mat: MAT, open_words: float, texts: int = 1, attacked: int = 1, pictures: int = 1
) -> Passes:
    """Of MAT, with so many captions and pictures an example; of the captions some are attacked."""
    # What is encoded once, and how many of an example.
    images, captions = set[tuple[str, int]](), set[tuple[str, int]]()
    image, caption = "clean", "clean"  # as they stand
    climbed = scored = named = 0.0
    for turn, move in enumerate(mat.strategy.order):
        opponents = (image, caption) if mat.strategy.against == "attacked" else ("clean", "clean")
        if move == "image":
            objective = mat.strategy.objective
            if isinstance(objective, WithCleanTexts):
                objective = objective.objective
                captions.add(("clean", texts))
            if objective in (kl_from_clean, far_from_clean):
                images.add(("clean", pictures))
            else:
                captions.add((opponents[1], texts))
            climbed, image = climbed + mat.steps, f"attacked in turn {turn}"
        elif mat.words:
            captions.add(("clean", attacked))
            if mat.text_objective == "away":
                images.add((opponents[0], 1))
            tried = mat.candidates * mat.words
            scored += (
                attacked
                * {
                    "important": open_words + tried,
                    "random": tried,
                    "every": open_words * tried,
                    "promising": mat.words - 1 + tried,
                }[mat.search]
            )
            named += attacked * mat.words * (mat.search == "promising")
            caption = f"attacked in turn {turn}"
    pairs, again = mat.pairs, mat.replays - 1
    seen = _chosen((image, pairs.both + pairs.image), ("clean", pairs.text + pairs.clean))
    read = _chosen((caption, pairs.both + pairs.text), ("clean", pairs.image + pairs.clean))
    images.update((name, pictures) for name in seen)
    captions.update((name, texts) for name in read)
    return Passes(
        image_forwards=(
            pictures * (climbed + again * len(set(seen))) + sum(count for _, count in images)
        ),
        image_backwards=pictures * climbed,
        image_updates=pictures * (1 + again) * len(seen),
        text_forwards=(
            scored + texts * again * len(set(read)) + sum(count for _, count in captions)
        ),
        text_updates=texts * (1 + again) * len(read),
        text_backwards=named,
    )


def _mmcoa(mmcoa: MMCoA, prompts: float, open_words: float) -> Passes:
    """Of MMCoA: each half has an attacked side and a clean one."""
    image, text = bool(mmcoa.image_weight), bool(mmcoa.text_weight)
    attacked = bool(text and mmcoa.words)
    scored = (open_words + mmcoa.candidates * mmcoa.words) * attacked
    # The clean caption is read by the first half, or by the attack on it; the other by the second.
    read = (image or attacked or text) + attacked
    return Passes(
        image_forwards=mmcoa.steps * image + image + text,
        image_backwards=mmcoa.steps * image,
        image_updates=image + text,
        text_forwards=prompts * image + scored + read,
        text_updates=image + text,
    )


def _chosen(*weights: tuple[str, float]) -> list[str]:
    """What the outer loss encodes; each has a backward pass of its own."""
    return [name for name, weight in weights if weight]
