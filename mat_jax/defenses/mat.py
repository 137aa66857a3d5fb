"""Multimodal adversarial training (MAT; Waseda et al., WACV 2026, arXiv:2405.18770)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

from jaxtyping import Array, Float, Key, PRNGKeyArray

from mat_jax.attacks.optimizers.projections import project, uphill
from mat_jax.attacks.threat import ThreatModel
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.inner.captions import Search, TextObjective, attack_texts
from mat_jax.defenses.inner.images import (
    WithCleanTexts,
    against_texts,
    away_from_texts,
)
from mat_jax.defenses.inner.strategy import Strategy
from mat_jax.defenses.losses.contrastive import Contrast, info_nce_of_devices, share_changed
from mat_jax.defenses.losses.pair_loss import Pairs, mixed_losses, require_one_caption
from mat_jax.defenses.one_to_many import all_images
from mat_jax.defenses.trainable_parts import Part, belongs, require_part
from mat_jax.types.arrays import Batch, Tokens
from mat_jax.types.protocols import Model


@dataclass(frozen=True, kw_only=True)
class MAT(ImageDefense[Model]):
    r"""Train on image-text pairs whose image and text have both been attacked.

    $$\min_\theta E_{(x,t)} \Big[ \max_{\|x'-x\| \le eps,\; t' \in T(t)}
        \mathrm{NCE}_\theta(x', t') \Big]$$

    over the symmetric InfoNCE of the global batch. The maximum is taken in one pass, text first:

    1. $t'$ = BERT-Attack(t): `words` words replaced, against the clean image;
    2. $x'$ = PGD from a random start, `steps` steps up $\mathrm{NCE}(x', t')$ with $t'$ fixed;
    3. the weights step down $\mathrm{NCE}(x', t')$, and for ALBEF, TCL and BLIP the matching loss
       of the same pairs (`outer.pair_losses`; our choice). No clean term. All weights train.

    From the paper: the order, 2 PGD steps, eps 2/255 in linf, one word, all weights. Our choices,
    which the paper's public material does not settle: PGD climbs InfoNCE itself; the text
    objective is the cosine to the clean image (`text_objective="kl"` is Co-Attack's); step size
    1.25 eps / steps; ten candidates a word; two captions of one image are no negatives of each
    other. What the paper calls strategies are `strategy` inside and `pairs` and `part` outside.
    BLIP's captioner trains too, with words=0: its loss is `outer.captioning`, inside and outside.

    `replays` m above 1 is a faster form, after Free-AT (Shafahi et al. 2019, arXiv:1904.12843,
    algorithm 1): m updates with each batch, with one forward and one backward pass each, from which
    the weights and the pixels both get their gradient. With $t'$ and $x_0$ from 1 and 2,

    $$(g, h) = \nabla_{\theta, x} L(\theta_j; x_j, t'), \quad
      \theta_{j+1} = \theta_j - \mathrm{optimizer}(g), \quad
      x_{j+1} = \Pi(x_j + \mathrm{step\_size}\; \mathrm{sign}\, h), \quad j = 0 .. m - 1$$

    So an update is made at the point where the last pixel gradient was taken, and that gradient
    serves the next update. (With one update nothing would be left for it to serve: that is MAT with
    one step less.) Of a pair, m updates cost m passes forward and backward, those of `steps`
    besides and one text attack; as many of MAT's cost m times the latter two (`defenses.cost`).
    From the second update on the pixels climb L, the outer loss, so `strategy` must leave images
    InfoNCE to climb, and attack them. With steps=0 it is Free-AT, from a random start for each
    batch. The optimizer's schedule counts updates: m a step.

    Args:
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; steps are those before the first
            update, and the length of one is 1.25 eps / (steps + replays - 1).
        words: words replaced in a caption; 0 leaves text alone.
        candidates: substitutes tried for a word.
        text_objective: "away" from the image or "kl" from the clean caption.
        search: which words are tried: the most "important" (BERT-Attack), a "random" one, "every"
            one, or what is most "promising" of all (the last three are ours, see
            `words.attack_texts`; what they were worth is in experiments/study/README.md).
        strategy: order, opponents and objective of the attacks, and the share of texts attacked.
        pairs: the pairs learnt from, with their weights.
        part: the weights that train: "all", "vision", "text" or "projections".
        replays: updates made with a batch.
        contrast: what is minimised in the place of InfoNCE, `Sigmoid()` for example; PGD climbs
            what `strategy` says, before the first update.
    """

    steps: int = 2
    words: int = 1
    candidates: int = 10
    text_objective: TextObjective = "away"
    search: Search = "important"
    strategy: Strategy = Strategy()
    pairs: Pairs = Pairs()
    part: Part = "all"
    replays: int = 1
    contrast: Contrast = info_nce_of_devices

    def __post_init__(self) -> None:
        super().__post_init__()
        ThreatModel(words=self.words, candidates=self.candidates)
        if self.text_objective not in ("away", "kl"):
            raise ValueError(f"text_objective is 'away' or 'kl', got {self.text_objective!r}")
        if self.search not in get_args(Search):
            raise ValueError(f"search is one of {get_args(Search)}, got {self.search!r}")
        if self.search == "promising" and self.text_objective == "kl":
            raise ValueError(
                "search='promising' needs a slope at the clean caption, where 'kl' has none: take "
                "text_objective='away', or search='every'"
            )
        require_part(self.part)
        if self.replays < 1:
            raise ValueError(f"replays {self.replays}: a batch makes 1 update or more")
        order, objective = self.strategy.order, self.strategy.objective
        if not self.words and "image" not in order:
            raise ValueError(
                f"words=0 and order {order} leave nothing to attack: take an order with images, or "
                "defenses.FineTune()"
            )
        if self.replays > 1 and ("image" not in order or objective is not against_texts):
            climbed = getattr(objective, "__name__", type(objective).__name__)
            raise ValueError(
                f"replays {self.replays} moves images up the outer loss, and this strategy has "
                f"order {order} and objective {climbed}: take replays=1, or an order with images "
                "and the objective against_texts"
            )
        if isinstance(objective, WithCleanTexts) and not self.words:
            raise ValueError(
                "WithCleanTexts is of attacked and clean captions, and words=0 attacks none: leave "
                "it out, or attack words"
            )

    @property
    def captioners(self) -> bool:
        """Captioners train too, who have no text tower to attack words or images by."""
        return not self.words and self.strategy.objective is not away_from_texts

    @property
    def judges(self) -> bool:
        """Models of entailment and of answers train too, by their surprise at what is right."""
        return True

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return 1.25 * self.eps / max(self.steps + self.replays - 1, 1)

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """The adversarial pairs, move by move of the strategy."""
        texts = partial(self.attack_texts, model) if self.words else None

        def images(batch: Batch, tokens: Tokens, key: PRNGKeyArray) -> Batch:
            values = self.strategy.objective(model, batch, tokens)
            found = self.attack_images(lambda x: values(model.encode_image(x)), batch, key)
            return batch._replace(images=found)

        return self.strategy.play(batch, key, images, texts)

    def attack_texts(self, model: Model, batch: Batch, keys: Key[Array, " batch"]) -> Tokens:
        """The word attack on all captions of a batch, against its images."""
        return attack_texts(
            model,
            batch,
            keys,
            words=self.words,
            candidates=self.candidates,
            objective=self.text_objective,
            search=self.search,
        )

    def attack_images(
        self, loss_fn: Callable[[Array], Array], batch: Batch, key: PRNGKeyArray
    ) -> Array:
        """PGD up `loss_fn` on the images of a batch."""
        return self.pgd.attack(loss_fn, batch, key)

    def climb(self, clean: Batch, images: Array, slope: Array) -> Array:
        """The images after a PGD step up the slope of the outer loss (`replays`).

        Args:
            clean: the batch before the attack.
            images: where they are, `[pictures, height, width, 3]`, in the order of `all_images`.
            slope: of the loss along them.
        """
        moved = images + self.step * uphill(slope, self.norm)
        return project(moved, all_images(clean), self.eps, self.norm)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The weighted losses of each image's pairs, in nats."""
        require_one_caption(batch)
        losses, metrics = mixed_losses(
            model, batch, batch_adv, key, pairs=self.pairs, contrast=self.contrast
        )
        return losses, metrics | {"captions_changed": share_changed(batch, batch_adv)}

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or those of `part`."""
        return belongs(path, self.part)
