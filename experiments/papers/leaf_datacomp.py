"""LEAF: the text tower of a robust CLIP ViT-L/14 on DataComp's captions (Rocamora et al., 2025).

python -m mat_jax.train --config experiments/papers/leaf_datacomp.py --set root=data

Paper: with FARE's image tower it is robust in both domains; under typing errors it keeps more of
the zero-shot text classification and retrieval than CLIP (NeurIPS 2025; we have not seen its
tables). `mat_jax.evaluate --attacks leaf` measures retrieval under typing errors.

Data: in `root`, `datacomp/shards/*.tar`, the first shards of DataComp-small (its repository has the
downloader), of which the first 80,000 captions are used; and `words`, English words, one a line:
nltk's corpora/words/en. The table of all their typing errors takes minutes to make and, by our
estimate, some 10 GB of memory.

Not run by us at full size.
"""

from pathlib import Path

import jax
import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "chs20/fare2-clip",  # its scripts/train_leaf_vitl.sh, as all below
    tokenizer: str | None = None,  # a folder with CLIP's vocabulary, if not with the weights
    words: str = "words",  # a file in `root`; "" lets new English words come in
    captions: int = 80_000,
    lr: float = 1e-5,
    weight_decay: float = 1e-4,
    batch_size: int = 128,
    steps: int = 18_750,  # 30 epochs of 80,000 captions
    warmup: int = 1_400,
    seed: int = 0,
) -> Experiment:
    """Mistyped captions are to be embedded where the original embeds the clean ones."""
    known = frozenset(Path(root, words).read_text(encoding="utf-8").split()) if words else None
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model, tokenizer=tokenizer),
        data=lambda: data.texts(f"{root}/datacomp/shards", limit=captions),
        defense=defenses.LEAF(positions=50),
        substitutes=data.Typos(positions=50, known=known),
        optimizer=optax.adamw(
            schedule,
            weight_decay=weight_decay,
            # Its code: neither biases nor gains decay.
            mask=lambda weights: jax.tree.map(lambda weight: weight.ndim > 1, weights),
        ),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
