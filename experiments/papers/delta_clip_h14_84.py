"""Delta-CLIP's first stage: long and cheap, on small images (Wang et al., 2025, arXiv:2501.09446).

python -m mat_jax.train --config experiments/papers/delta_clip_h14_84.py --set root=data

All three stages, one after another:

python -m experiments.staged --out runs/delta_clip \\
    --stage experiments/papers/delta_clip_h14_84.py root=data \\
    --stage experiments/papers/delta_clip_h14_224.py root=data \\
    --stage experiments/papers/delta_clip_h14_336.py root=data

Paper: a CLIP that is trained against attacks on images from nothing, on web pairs, is some 20 %
more robust on ImageNet-1k than the best before it (abstract). This is the stage that takes most
of the samples, with images of 84 pixels and two PGD steps.

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
read first and stay in memory, so give a part of them, by `limit`. And
`clip`, a folder with CLIP's vocabulary (Delta-CLIP has BERT's, ours is CLIP's).

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
    tokenizer: str = "clip",  # a folder in `root`
    limit: int | None = None,
    image_size: int = 84,  # AdvXL's README, "Sample@Resolution"
    width: int = 1280,  # as all sizes: open_clip's ViT-H-14-CLIPA-336.json
    layers: int = 32,
    heads: int = 16,
    text_width: int = 1024,
    text_layers: int = 24,
    text_heads: int = 16,
    embed: int = 1024,
    text_length: int = 32,
    eps: float = 4 / 255,  # both papers' code measures with it; of training: not verified
    pgd_steps: int = 2,  # AdvXL's README: "Adv. Steps 2/3"
    loss: Literal["infonce", "sigmoid"] = "infonce",  # CLIPA: loss_use_global_batch
    lr: float = 2.048e-3,  # as all below, CLIPA's configs/model_h/84_8_pre_training.py: 8e-6 * 256
    weight_decay: float = 0.2,
    batch_size: int = 65_536,
    micro_batch: int | None = None,
    steps: int = 78_125,  # 5.12e9 samples, AdvXL's; CLIPA has 12.8e9
    warmup: int = 3_200,
    seed: int = 0,
) -> Experiment:
    """A CLIP H/14 from nothing, against two PGD steps on images of 84 pixels."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Fresh(
            models.CLIPConfig(
                image_size=image_size,
                patch_size=14,
                vision=models.ViTConfig(width=width, layers=layers, heads=heads, eps=1e-5),
                text=models.BertConfig(
                    49_408, text_length, text_width, text_layers, text_heads, eps=1e-5, pad=49_407
                ),
                embed=embed,
                vision_act="gelu",
                text_act="gelu",
            ),
            f"{root}/{tokenizer}",
        ),
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
