"""Delta-CLIP's third stage: shortest, on 336 pixels (Wang et al., 2025, arXiv:2501.09446).

python -m mat_jax.train --config experiments/papers/delta_clip_h14_336.py --set root=data

The command of all three stages is in `delta_clip_h14_84.py`.

Paper: a CLIP that is trained against attacks on images from nothing, on web pairs, is some 20 %
more robust on ImageNet-1k than the best before it (abstract). It starts from
the export of `delta_clip_h14_224.py`.

Where each figure is from is beside it. We have not seen the papers' tables, only abstracts and
released code: Delta-CLIP's (github.com/zw615/Double_Visual_Defense), which has no pre-training;
AdvXL's (github.com/UCSC-VLAA/AdvXL; CVPR 2024, arXiv:2401.04727), whose stages and PGD steps we
take; and CLIPA's (github.com/UCSC-VLAA/CLIPA; arXiv:2306.15658), whose H/14 we take, with the
optimizer of its three stages. All are by the same group. Not verified: that Delta-CLIP's own sizes,
samples, PGD steps, radius and optimizer are these. Not in these files: CLIPA's pooling without a
class token, its text tower without a causal mask, eight tokens a caption in the first stage, its
augmentation, and patches that are dropped in the later stages.

Data: in `root`, `recap-datacomp/shards/*.tar`, WebDataset shards of DataComp-1B with the captions
of Recap-DataComp-1B: the model card on the hub names both sets. All captions of the shards are
read first and stay in memory, so give a part of them, by `limit`.

Not run by us at full size.
"""

from typing import Any, Literal

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.defenses.losses.contrastive import info_nce_of_devices


def kernels(weights: Any) -> dict[str, bool]:
    """What decays: CLIPA's optim/build_optax.py has big_vision's choice."""
    return {name: name.endswith(".kernel") for name in weights}


def experiment(
    root: str = "data",
    model: str = "runs/delta_clip/2-delta_clip_h14_224/export",
    limit: int | None = None,
    image_size: int = 336,  # AdvXL's README, "Sample@Resolution"
    eps: float = 4 / 255,  # both papers' code measures with it; of training: not verified
    pgd_steps: int = 3,  # AdvXL's README: "Adv. Steps 2/3"
    loss: Literal["infonce", "sigmoid"] = "infonce",  # CLIPA: loss_use_global_batch
    # As all below, CLIPA's configs/model_h/unmask_tuning_336_scheduleX1.py: 1e-7 * 64.
    lr: float = 6.4e-6,
    weight_decay: float = 0.2,
    batch_size: int = 16_384,
    micro_batch: int | None = None,
    steps: int = 8_000,  # 128e6 samples; AdvXL's third stage is 6.4e6 of ImageNet's
    warmup: int = 1_600,
    seed: int = 0,
) -> Experiment:
    """The same CLIP on images of 336 pixels, against three PGD steps.

    Its positions are interpolated, as torch's bicubic does.
    """
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model, image_size=image_size),
        data=lambda: data.webdataset(f"{root}/recap-datacomp/shards", limit=limit),
        defense=defenses.TeCoAITR(
            eps=eps,
            steps=pgd_steps,
            step_size=None,  # ours: 1.25 eps / steps
            # SigLIP's is ours.
            contrast=defenses.Sigmoid() if loss == "sigmoid" else info_nce_of_devices,
        ),
        optimizer=optax.adamw(
            schedule,
            b2=0.95,
            weight_decay=weight_decay,
            mask=kernels,
        ),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        micro_batch=micro_batch,
        remat="blocks",  # CLIPA: actcp
        scan=True,
        dtype="bfloat16",  # ours
        log_every=50,  # CLIPA
        checkpoint_every=1_000,  # CLIPA
        seed=seed,
    )
