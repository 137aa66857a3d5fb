"""The attacks on fused features do damage to a small ALBEF and BLIP, pair by pair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import attacks
from mat_jax.attacks.fused import require_fusion
from mat_jax.attacks.text import kl
from mat_jax.records import Tokens, unit
from tests.attacks.toy import tiny, toy_batch

EPS = 8 / 255


@pytest.mark.parametrize("family", ["albef", "blip"])
@pytest.mark.parametrize("name", ["co_attack_fused", "match"])
def test_the_objective_rises_within_ball_and_budget(family, name):
    victim, batch = tiny(family), toy_batch()
    threat = attacks.ThreatModel(eps=EPS, steps=3)
    attack = attacks.compiled(attacks.SUITE[name].function, victim, threat=threat)
    adv = attack(batch, jax.random.key(0))
    assert np.abs(np.asarray(adv.images - batch.images)).max() <= EPS + 1e-6
    assert adv.images.min() >= 0 and adv.images.max() <= 1
    changed = (np.asarray(adv.choice) >= 0).sum(-1)
    assert changed.max() == 1 and not changed[~batch.present].any()

    @jax.jit
    def pair(image, ids, mask):
        """One pair alone: its fused token, and the score it is ranked by."""
        seen = victim.encode_image(image[None])
        read = victim.encode_text(Tokens(ids[None], mask[None]))
        fused = victim.fuse(seen, read)
        cosine = jnp.sum(unit(seen.embed) * unit(read.embed))
        return fused[0, 0], victim.match_logits(fused)[0, 1] + cosine

    def at(i, m, images, tokens):
        return pair(images[i], tokens.ids[i, m], tokens.mask[i, m])

    sides = np.random.RandomState(1).choice([-EPS, EPS], batch.images.shape)
    noisy = np.clip(batch.images + sides, 0, 1).astype(np.float32)
    for i in range(len(batch.ids)):
        own = [m for m in range(batch.present.shape[1]) if batch.present[i, m]]
        if name == "match":
            before = sum(at(i, m, batch.images, batch.tokens)[1] for m in own)
            assert sum(at(i, m, adv.images, adv.tokens)[1] for m in own) < before
            continue
        for m in own:
            clean, _ = at(i, m, batch.images, batch.tokens)
            edited, _ = at(i, m, batch.images, adv.tokens)
            assert (kl(clean, edited) > 0) == bool(changed[i, m])
        # What the image climbs: more than noise of the same size does.
        by_noise, end = (
            sum(
                kl(at(i, m, batch.images, adv.tokens)[0], now)
                + 3 * kl(at(i, m, batch.images, batch.tokens)[0], now)
                for m in own
                for now in [at(i, m, images, adv.tokens)[0]]
            )
            for images in (noisy, adv.images)
        )
        assert end > by_noise


def test_a_model_that_does_not_fuse_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="which int does not do"):
        require_fusion(1)
