"""The defences' losses and their gradients against torch, from the papers' equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, cross_entropy, interpolate, kl_div, normalize

from mat_jax import defenses
from mat_jax.defenses.losses.contrastive import many_to_many, multi_positive
from mat_jax.types.arrays import Batch
from tests.defenses.linear import LABELS, NAMES, PATCH, Torch, batch, model, moved, prompts

KEY = jax.random.key(4)
Y = torch.tensor(LABELS)
PROMPTS = prompts()


def assert_agrees(defense, formula, clean: Batch, attacked: Batch):
    """Loss and gradients equal torch's `formula(trained, original)`, a mean over the batch."""
    trained, original = model(0), model(1)

    def mean(trained):
        return jnp.mean(defense.loss(trained, original, clean, attacked, KEY)[0])

    value, gradient = jax.jit(jax.value_and_grad(mean))(trained)
    ours, theirs = Torch(trained), Torch(original)
    expected = formula(ours, theirs)
    expected.backward()
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    leaves = jax.tree.leaves(gradient)
    for name, found, weight in zip(NAMES, leaves, ours.weights, strict=True):
        if defense.trains(tuple(name.split("."))):
            grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            scale = grad.abs().max().item() or 1.0
            if not weight.ndim:  # of the scale's, logits cancel, and leave the rounding of a loss
                scale = max(scale, abs(expected.item()))
            np.testing.assert_allclose(found / scale, grad / scale, atol=1e-5, err_msg=name)


def both_ways(m: Torch, images, texts):
    """Cross-entropy of the diagonal, image to text and text to image."""
    logits = m.logits(images, texts)
    diagonal = torch.arange(len(logits))
    return cross_entropy(logits, diagonal), cross_entropy(logits.T, diagonal)


def nce(m: Torch, images, texts):
    return sum(both_ways(m, images, texts)) / 2


def test_tecoa_is_cross_entropy_over_all_class_prompts():
    clean = batch()
    attacked = moved(clean)
    assert_agrees(
        defenses.TeCoA(PROMPTS),
        lambda m, _: cross_entropy(m.logits(attacked.images, m.prompts(PROMPTS)), Y),
        clean,
        attacked,
    )


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.5, 0.0), (0.0, 0.3)])
def test_mmcoa_with_the_papers_targets(weights):
    """lambda_img (CE + CE)(x', t) + lambda_txt (CE + CE)(x, t')."""
    clean = batch()
    attacked = moved(clean)
    image, text = weights
    defense = defenses.MMCoA(PROMPTS, targets="pairs", image_weight=image, text_weight=text)
    assert_agrees(
        defense,
        lambda m, _: (
            image * sum(both_ways(m, attacked.images, m.g(clean.tokens)))
            + text * sum(both_ways(m, clean.images, m.g(attacked.tokens)))
        ),
        clean,
        attacked,
    )


def rightful(logits, right):
    """For each row the mean over its right columns, each against the wrong ones alone."""
    rows = []
    for i, row in enumerate(logits):
        wrong = row[~right[i]]
        terms = [-torch.log_softmax(torch.cat([p[None], wrong]), 0)[0] for p in row[right[i]]]
        rows.append(torch.stack(terms).mean())
    return torch.stack(rows)


def test_mmcoa_with_all_prompts_of_a_class_right():
    clean = batch()
    attacked = moved(clean)
    right = Y[:, None] == Y[None]

    def formula(m, _):
        halves = (attacked.images, clean.tokens), (clean.images, attacked.tokens)
        logits = [m.logits(images, m.g(tokens)) for images, tokens in halves]
        return sum(0.5 * (rightful(x, right) + rightful(x.T, right)).mean() for x in logits)

    assert_agrees(defenses.MMCoA(PROMPTS), formula, clean, attacked)


def test_where_no_class_repeats_both_targets_are_one():
    clean = batch()._replace(labels=jnp.arange(6))
    losses = [
        defenses.MMCoA(PROMPTS, targets=targets).loss(model(0), None, clean, moved(clean), KEY)[0]
        for targets in ("classes", "pairs")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_several_right_answers_by_hand():
    logits = jnp.log(jnp.array([[2.0, 3.0, 5.0], [1.0, 1.0, 6.0]]))
    right = jnp.array([[True, True, False], [False, False, True]])
    first = (np.log(7 / 2) + np.log(8 / 3)) / 2
    np.testing.assert_allclose(multi_positive(logits, right), [first, np.log(8 / 6)], rtol=1e-5)
    all_right = jnp.ones((2, 3), bool)
    value, slope = jax.value_and_grad(lambda x: multi_positive(x, all_right).sum())(logits)
    assert float(value) == 0.0 and not np.any(slope)


@pytest.mark.parametrize("neighbours", ["uniform", "trajectory"])
def test_mava_is_its_three_terms(neighbours):
    clean = batch(captions=2)
    clean = clean._replace(present=clean.present.at[2, 1].set(False))
    attacked = moved(clean)
    defense = defenses.MAVA(neighbours=neighbours, cms=0.3)
    around = [attacked.images]
    if neighbours == "uniform":
        keys = jax.vmap(lambda i: jax.random.fold_in(KEY, i))(clean.ids)
        around = list(jnp.moveaxis(defense._around(attacked.images, keys), 1, 0))

    def formula(m, original):
        features = torch.stack([normalize(m.f(v)) for v in around])
        target = normalize(original.f(clean.images)).detach()
        middle = features.mean(0)
        each = torch.stack(
            [cosine_similarity(original.g(clean.tokens, i).detach(), middle) for i in (0, 1)], 1
        )
        there = torch.tensor(np.array(clean.present))
        cms = -((each * there).sum(1) / there.sum(1)).mean()
        vsse = (features - target).pow(2).sum(-1).mean()
        sca = 0.5 * (normalize(m.f(clean.images)) - target).pow(2).sum(-1).mean()
        return 0.3 * cms + 0.4 * vsse + 0.6 * sca

    assert_agrees(defense, formula, clean, attacked)


def test_the_neighbours_of_mava_fill_the_box_around_an_image():
    defense = defenses.MAVA(eps=0.02, count=400)
    images = jnp.full((2, 4, 4, 3), 0.5).at[1].set(1.0)
    around = np.asarray(defense._around(images, jax.random.split(KEY, 2)))
    delta = around - np.asarray(images)[:, None]
    assert np.abs(delta).max() <= 0.03 + 1e-6 and around.max() <= 1
    # Uniform on [-0.03, 0.03]: mean 0, variance 0.03^2 / 3, of 19,200 draws.
    assert abs(delta[0].mean()) < 4 * 0.03 / (3 * 19_200) ** 0.5
    assert delta[0].var() == pytest.approx(0.03**2 / 3, rel=0.05)


def test_the_captioner_of_mava_has_no_text_to_learn_from():
    clean = batch()
    attacked = moved(clean)

    def formula(m, original):
        target = normalize(original.f(clean.images)).detach()
        vsse = (normalize(m.f(attacked.images)) - target).pow(2).sum(-1).mean()
        sca = 0.5 * (normalize(m.f(clean.images)) - target).pow(2).sum(-1).mean()
        return 0.4 * vsse + 0.6 * sca

    assert_agrees(defenses.MAVA(cms=0.0, neighbours="trajectory"), formula, clean, attacked)


@pytest.mark.parametrize("twin", ["trained", "original"])
def test_sim_clip_is_a_cosine_with_the_gradient_stopped_on_one_side(twin):
    # Far apart: where the twins nearly agree, the gradient is a small difference of large numbers.
    clean = batch()
    attacked = batch(seed=5)

    def formula(m, original):
        one, other = m.f(attacked.images), (m if twin == "trained" else original).f(clean.images)
        if twin == "original":
            other = other.detach()
        halves = cosine_similarity(one, other.detach()), cosine_similarity(other, one.detach())
        return -(halves[0] + halves[1]).mean() / 2

    assert_agrees(defenses.SimCLIP(twin=twin), formula, clean, attacked)


def test_pmg_aft_is_torchs_divergences():
    """Means over the batch; the target of `kl_div` is its second argument."""
    clean = batch()
    attacked = moved(clean)

    def formula(m, original):
        texts = m.prompts(PROMPTS).detach()
        logits = m.logits(attacked.images, texts)
        theirs = original.logits(attacked.images, texts).detach()
        still = m.logits(clean.images, texts)
        return (
            cross_entropy(logits, Y)
            + 1.0 * kl_div(logits.log_softmax(1), theirs.softmax(1), reduction="batchmean")
            + 0.5 * kl_div(logits.log_softmax(1), still.softmax(1), reduction="batchmean")
        )

    assert_agrees(defenses.PMGAFT(PROMPTS, clean_weight=0.5), formula, clean, attacked)


def attention(m: Torch, images, texts):
    """Patches times text, stretched to [0, 1], enlarged."""
    flat = torch.tensor(np.array(images)).flatten(1).reshape(-1, 4, PATCH)
    patches = normalize(flat @ m.weights[0][:PATCH], dim=-1)
    alike = (patches * normalize(texts)[:, None]).sum(-1)
    low, high = alike.amin(1, keepdim=True), alike.amax(1, keepdim=True)
    grid = ((alike - low) / (high - low)).reshape(-1, 1, 2, 2)
    return interpolate(grid, size=(4, 4), mode="bilinear").flatten(1)


def test_tga_zsr_keeps_the_attention_of_the_original():
    clean = batch()
    attacked = moved(clean)

    def formula(m, original):
        texts = m.prompts(PROMPTS).detach()
        target = attention(original, clean.images, texts[Y]).detach()
        losses = [
            torch.norm(attention(m, x.images, texts[Y]) - target, dim=1).mean()
            for x in (attacked, clean)
        ]
        return (
            cross_entropy(m.logits(attacked.images, texts), Y) + 0.08 * losses[0] + 0.05 * losses[1]
        )

    assert_agrees(defenses.TGAZSR(PROMPTS), formula, clean, attacked)


def test_the_first_step_of_tga_zsr_has_a_gradient():
    """Nothing has moved yet: the length of a zero vector must not give nan."""
    clean, trained = batch(), model(0)

    def loss(trained):
        return defenses.TGAZSR(PROMPTS).loss(trained, model(0), clean, clean, KEY)[0].mean()

    assert all(np.isfinite(leaf).all() for leaf in jax.grad(loss)(trained))


def test_qt_aft_is_fare_and_captions():
    clean = batch()
    attacked = moved(clean)

    def formula(m, original):
        far = (m.f(attacked.images) - original.f(clean.images).detach()).pow(2).sum(1).mean()
        return far + 10 * both_ways(m, attacked.images, m.g(clean.tokens))[0]

    assert_agrees(defenses.QTAFT(), formula, clean, attacked)


@pytest.mark.parametrize("halves", ["image", "text", "image and text"])
def test_fare_and_leaf_are_squared_distances_to_the_original(halves):
    """Of vectors that are not normalised, summed over their entries; both when both are trained."""
    clean = batch()
    attacked = moved(clean)
    defense = {
        "image": defenses.FARE(),
        "text": defenses.LEAF(),
        "image and text": defenses.FARELEAF(),
    }[halves]

    def formula(m, original):
        apart = {
            "image": m.f(attacked.images) - original.f(clean.images).detach(),
            "text": m.g(attacked.tokens) - original.g(clean.tokens).detach(),
        }
        return sum(apart[half].pow(2).sum(1).mean() for half in halves.split(" and "))

    assert_agrees(defense, formula, clean, attacked)


def test_mat_weighs_its_pairs():
    clean = batch()
    attacked = moved(clean)
    pairs = defenses.Pairs(both=0.7, image=0.2, text=0.3, clean=0.1)

    def formula(m, _):
        old, new = m.g(clean.tokens), m.g(attacked.tokens)
        return (
            0.7 * nce(m, attacked.images, new)
            + 0.2 * nce(m, attacked.images, old)
            + 0.3 * nce(m, clean.images, new)
            + 0.1 * nce(m, clean.images, old)
        )

    assert_agrees(defenses.MAT(pairs=pairs), formula, clean, attacked)


def test_the_average_of_mat_plus_is_that_of_its_texts():
    clean = batch(captions=3)
    attacked = moved(clean)

    def formula(m, _):
        return sum(nce(m, attacked.images, m.g(attacked.tokens, i)) for i in range(3)) / 3

    assert_agrees(defenses.MATPlus(use="average"), formula, clean, attacked)


def test_all_texts_of_an_image_are_right_in_mat_plus():
    clean = batch(captions=3)
    attacked = moved(clean)
    owner = torch.arange(6).repeat_interleave(3)
    right = torch.arange(6)[:, None] == owner[None]

    def formula(m, _):
        texts = torch.stack([m.g(attacked.tokens, i) for i in range(3)], 1).flatten(0, 1)
        logits = m.logits(attacked.images, texts)
        return (rightful(logits, right).mean() + rightful(logits.T, right.T).mean()) / 2

    assert_agrees(defenses.MATPlus(use="positives"), formula, clean, attacked)


def test_pairs_of_mat_plus_are_examples_of_their_own():
    """18 pairs; those of the same image are no negatives of each other."""
    clean = batch(captions=3)
    defense = defenses.MATPlus(use="pairs", mat=defenses.MAT(words=0, steps=0))
    attacked = defense.perturb(model(0), None, clean, KEY)
    owner = torch.arange(6).repeat_interleave(3)
    right = torch.eye(18, dtype=torch.bool)
    out = (owner[:, None] == owner[None]) & ~right

    def formula(m, _):
        logits = m.logits(attacked.images, m.g(attacked.tokens)).masked_fill(out, -torch.inf)
        diagonal = torch.arange(18)
        return (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2

    assert_agrees(defense, formula, clean, attacked)
    flat = np.asarray(clean.tokens.ids).reshape(18, 1, -1)
    np.testing.assert_array_equal(attacked.tokens.ids, flat)


def test_one_text_an_image_is_plain_info_nce():
    clean = batch()
    trained = model(0)
    image = trained.encode_image(clean.images).embed
    text = trained.encode_text(jax.tree.map(lambda x: x[:, 0], clean.tokens)).embed
    found = many_to_many(image[:, None], text[:, None], trained.scale, clean.ids)
    plain, _ = defenses.MAT().loss(trained, None, clean, clean, KEY)
    np.testing.assert_allclose(found, plain, rtol=1e-5)


def test_a_missing_text_is_the_first_one_again():
    clean = batch(captions=2)
    lacking = clean._replace(present=clean.present.at[4, 1].set(False))
    again = jax.tree.map(lambda x: x.at[4, 1].set(x[4, 0]), clean.tokens)
    defense = defenses.MATPlus(mat=defenses.MAT(words=0, steps=1))
    found = defense.perturb(model(0), None, lacking, KEY)
    np.testing.assert_array_equal(found.tokens.ids, again.ids)
