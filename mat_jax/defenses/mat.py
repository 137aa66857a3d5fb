"""Multimodal adversarial training (MAT; Waseda et al., WACV 2026, arXiv:2405.18770)."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.attacks.threat import Norm, ThreatModel
from mat_jax.defenses.contrastive import share_changed
from mat_jax.defenses.inner import TextObjective, against_texts, attack_images, attack_texts
from mat_jax.defenses.outer import pair_losses
from mat_jax.records import Batch


@dataclass(frozen=True)
class MAT:
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
    other.

    Args:
        eps: radius of the image perturbation, pixels being in [0, 1].
        steps: PGD steps.
        step_size: length of a PGD step; None is 1.25 eps / steps.
        norm: "linf" or "l2".
        words: words replaced in a caption; 0 leaves text alone.
        candidates: substitutes tried for a word.
        text_objective: "away" from the clean image or "kl" from the clean caption.
    """

    eps: float = 2 / 255
    steps: int = 2
    step_size: float | None = None
    norm: Norm = "linf"
    words: int = 1
    candidates: int = 10
    text_objective: TextObjective = "away"

    needs_reference = False

    def __post_init__(self) -> None:
        ThreatModel(
            eps=self.eps,
            norm=self.norm,
            steps=self.steps,
            step_size=self.step_size,
            words=self.words,
            candidates=self.candidates,
        )
        if self.text_objective not in ("away", "kl"):
            raise ValueError(f"text_objective is 'away' or 'kl', got {self.text_objective!r}")

    def perturb(self, model: Any, reference: Any, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The adversarial pairs: text first, then the image against that text."""
        tokens = batch.tokens
        if self.words:
            tokens = attack_texts(
                model,
                batch,
                words=self.words,
                candidates=self.candidates,
                objective=self.text_objective,
            )
        images = attack_images(
            against_texts(model, batch, tokens),
            batch,
            key,
            eps=self.eps,
            steps=self.steps,
            step_size=self.step_size,
            norm=self.norm,
        )
        return batch._replace(images=images, tokens=tokens)

    def loss(
        self, model: Any, reference: Any, batch: Batch, batch_adv: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each adversarial pair, in nats."""
        losses, metrics = pair_losses(model, batch_adv, key)
        return losses, metrics | {"captions_changed": share_changed(batch, batch_adv)}

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights."""
        return True
