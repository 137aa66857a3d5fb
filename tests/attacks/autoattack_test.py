"""Our attacks on classification beside the released AutoAttack, on one small classifier.

APGD from the same starts; FAB, which has no random start, point for point; Square and the ensemble
by what falls.

Its package is on no index, so it is not among what the tests install; where it is missing they are
skipped. `PYTHONPATH=auto-attack pytest tests/attacks/autoattack_test.py` takes a clone of
github.com/fra31/auto-attack, and `pytest -s` prints what was found.
"""

import collections
import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from mat_jax.attacks import ThreatModel, autoattack, objectives
from mat_jax.attacks.ensembles import Member
from mat_jax.attacks.optimizers.auto_pgd import apgd, apgd_targeted, checkpoints
from mat_jax.attacks.optimizers.boundary import fab, size
from mat_jax.attacks.optimizers.projected_gradient import fold, one_each
from mat_jax.attacks.optimizers.projections import on_edge
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.types.arrays import Batch, Tokens
from tests.attacks.optimizers.square_search_test import black_box_of
from tests.attacks.visited import visited
from tests.tools.narrow import host

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("autoattack", reason="autoattack is not installed (it is on no index)")
    from autoattack import AutoAttack
    from autoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from autoattack.fab_pt import FABAttack_PT
    from autoattack.square import SquareAttack

BATCH, SIDE, CLASSES, STEPS, EPS, TARGETS = 16, 24, 6, 50, 2 / 255, 3
KEY = jax.random.key(2)
draw = np.random.RandomState(4)
ONE = draw.randn(SIDE * SIDE * 3, 24).astype(np.float32) / 12
TWO = draw.randn(24, CLASSES).astype(np.float32)
IMAGES = draw.rand(BATCH, SIDE, SIDE, 3).astype(np.float32)


def logits(images):
    return jnp.tanh((images.reshape(images.shape[0], -1) - 0.5) @ ONE) @ TWO


class Net(torch.nn.Module):
    """The same in torch; keeps what it was shown and what it said."""

    def __init__(self):
        super().__init__()
        self.seen, self.said = [], []

    def forward(self, x):
        flat = x.permute(0, 2, 3, 1).flatten(1)
        found = torch.tanh((flat - 0.5) @ torch.tensor(ONE)) @ torch.tensor(TWO)
        self.seen.append(x.detach().permute(0, 2, 3, 1).numpy().copy())
        self.said.append(found.detach().numpy().copy())
        return found


LABELS = np.asarray(jnp.argmax(logits(jnp.asarray(IMAGES)), axis=-1)).astype(np.int64)
POSITIVE = objectives.is_class(jnp.asarray(LABELS, jnp.int32), CLASSES)


def theirs(x):
    return torch.tensor(np.array(x)).permute(0, 3, 1, 2).contiguous()


def start_of(keys, norm, eps):
    first = fold(fold(keys, jnp.int32(0)), jnp.int32(0))
    return on_edge(jnp.asarray(IMAGES), first, eps, norm)


def run(kind, net, start, *, norm, eps, **more):
    """One run of theirs from a start of ours: the best loss, and where it judged step sizes."""
    attack = kind(net, n_iter=STEPS, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps)
    for name, value in more.items():
        setattr(attack, name, value)
    judge, places = attack.check_oscillation, []

    def noted(x, j, k, *rest, **settings):
        places.append(j + 1)
        return judge(x, j, k, *rest, **settings)

    attack.check_oscillation = noted
    clean = theirs(IMAGES)
    attack.init_hyperparam(clean)
    _, _, best, _ = attack.attack_single_run(clean, torch.tensor(LABELS), x_init=theirs(start))
    return best.numpy(), tuple(places)


@pytest.mark.parametrize("norm, eps", [("linf", EPS), ("l2", 0.3)])
@pytest.mark.parametrize("name", ["cross_entropy", "dlr"])
def test_apgd(name, norm, eps):
    """The same points and losses; of DLR until it is 1, where it is flat.

    There the label has come down to the third place, its logit is in the fraction above and below,
    and what is left of the gradient is rounding.
    """

    def loss(x):
        return getattr(objectives, name)(logits(x), POSITIVE)

    images, net = jnp.asarray(IMAGES), Net()
    start = start_of(one_each(KEY, BATCH), norm, eps)
    kind = {"cross_entropy": "ce", "dlr": "dlr"}[name]
    best, places = run(APGDAttack, net, start, norm=norm, eps=eps, loss=kind)
    attack = functools.partial(apgd, eps=eps, norm=norm)
    ours = np.asarray(loss(jax.jit(lambda x: attack(loss, x, KEY, steps=STEPS))(images)))
    points = visited(attack, loss, images, KEY, STEPS)
    same = np.mean(np.abs(points - np.stack(net.seen[:STEPS])) < 1e-5, axis=(2, 3, 4))
    if name == "dlr":
        ours, best = np.minimum(ours, 1), np.minimum(best, 1)
        found = [np.asarray(objectives.dlr(jnp.asarray(z), POSITIVE)) for z in net.said[:STEPS]]
        same = same[np.maximum.accumulate(found, axis=0) < 0.999]
        assert same.size > BATCH * STEPS / 4
    apart = np.abs(ours - best) / np.abs(best)
    print(f"{name} {norm}: losses {apart.max():.2%} apart, points {same.mean():.2%} the same")
    assert places == checkpoints(STEPS)
    np.testing.assert_allclose(ours, best, rtol=0.01)
    # A step of l2 is as long as its gradient says, so that rounding adds up over steps.
    assert same.mean() > (0.99 if norm == "linf" else 0.95)


def test_apgd_targeted():
    images, keys = jnp.asarray(IMAGES), one_each(KEY, BATCH)
    attack = jax.jit(
        lambda x: apgd_targeted(logits, x, POSITIVE, KEY, eps=EPS, steps=STEPS, targets=TARGETS)
    )
    ours = np.asarray(objectives.margin(logits(attack(images)), POSITIVE))
    goals, margins = objectives.runners_up(logits(images), POSITIVE, TARGETS), []
    for index, goal in enumerate(np.asarray(goals)):
        net = Net()
        start = start_of(fold(keys, jnp.int32(index)), "linf", EPS)
        more = {"y_target": torch.tensor(goal.astype(np.int64))}
        _, places = run(APGDAttack_targeted, net, start, norm="linf", eps=EPS, **more)
        assert places == checkpoints(STEPS)
        margins += [np.asarray(objectives.margin(jnp.asarray(z), POSITIVE)) for z in net.said]
    best = np.max(margins, axis=0)
    print(f"targeted: margins {(np.abs(ours - best) / np.abs(best)).max():.2%} apart")
    np.testing.assert_allclose(ours, best, rtol=0.01)


def test_square():
    """As many proposals are taken.

    Theirs one image at a time, as a batch shares its places. It never proposes the last row and
    column: of pictures of 6 x 6 pixels that makes it take 15 % where ours takes 20 %.
    """
    count, eps = 150, 0.25 / 255

    def margin(z, labels):
        own = np.arange(CLASSES) == labels[:, None]
        return np.where(own, -np.inf, z).max(axis=1) - z[own]

    # Those so sure of their label that it stays: theirs stops where it is lost.
    clean = np.asarray(logits(jnp.asarray(IMAGES)))
    sure = np.flatnonzero(margin(clean, LABELS) < -0.3)
    assert len(sure) >= BATCH / 2
    asked = []

    def score(x):
        hidden = np.tanh((x.reshape(len(x), -1) - np.float32(0.5)) @ ONE) @ TWO
        asked.append(margin(hidden, LABELS[sure]))
        return asked[-1]

    loss = black_box_of(score)
    attack = jax.jit(functools.partial(square, loss, eps=eps, steps=count, rescale=True))
    attack(jnp.asarray(IMAGES[sure]), KEY).block_until_ready()
    jax.effects_barrier()
    released = []
    for image in sure:
        net = Net()
        torch.manual_seed(int(image))
        blind = SquareAttack(net, norm="Linf", n_queries=count, eps=eps, loss="margin")
        one, label = theirs(IMAGES[image : image + 1]), torch.tensor(LABELS[image : image + 1])
        blind.init_hyperparam(one)
        blind.attack_single_run(one, label)
        said = np.concatenate(net.said)
        released.append(margin(said, np.repeat(LABELS[image], len(said))))
    values = np.stack(asked), np.stack(released, axis=1)
    assert (values[0] < 0).all() and (values[1] < 0).all()
    for part in (slice(0, 30), slice(30, count)):
        rates = []
        for found in values:
            running = np.maximum.accumulate(found, axis=0)
            rates.append((running[1:] > running[:-1])[part].mean(axis=0))
        noise = np.sqrt(sum(rate.var() for rate in rates) / len(sure))
        ours, released = (rate.mean() for rate in rates)
        print(f"square: {ours:.1%} taken, {released:.1%} by theirs, noise {noise:.1%}")
        assert abs(ours - released) < 4 * noise


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("target", [1, 2, None])
def test_fab(norm, target):
    """The distance of what is found, towards a class of each image or the nearest of all."""
    images, labels = jnp.asarray(IMAGES), jnp.asarray(LABELS, jnp.int32)
    goals = None
    if target is not None:
        goals = objectives.runners_up(logits(images), POSITIVE, CLASSES)[target - 1]
    attack = functools.partial(fab, logits, eps=EPS, targets=goals, steps=STEPS, norm=norm)
    _, ours = jax.jit(lambda x: attack(x, labels, KEY))(images)
    kind = {"linf": "Linf", "l2": "L2"}[norm]
    released = FABAttack_PT(Net(), norm=kind, n_iter=STEPS, eps=EPS, device="cpu")
    if target is not None:
        released.target_class = target + 1
    adv = released.attack_single_run(
        theirs(IMAGES), torch.tensor(LABELS), is_targeted=target is not None
    )
    delta = jnp.asarray(adv.permute(0, 2, 3, 1).numpy()) - images
    distance = np.asarray(size(delta, norm))
    moved = distance > 0  # it returns the clean image where it finds nothing
    np.testing.assert_array_equal(np.isfinite(np.asarray(ours)), moved)
    apart = np.abs(np.asarray(ours)[moved] - distance[moved]) / distance[moved]
    print(f"fab {norm} to {target}: {moved.sum()} found, distances {apart.max():.2%} apart")
    assert moved.sum() > BATCH / 2 and np.median(apart) < 1e-3 and apart.max() < 0.02


class Classifier(nnx.Module):
    """The same classifier as a module."""

    def class_logits(self, images):
        return logits(images)


@pytest.mark.parametrize("norm, eps", [("linf", 0.35 / 255), ("l2", 0.05)])
def test_the_ensemble(norm, eps):
    """As many images stand, and the same but for one: 100 of them, three attacks of 30 steps."""
    count, steps = 100, 30
    images = np.random.RandomState(8).rand(count, SIDE, SIDE, 3).astype(np.float32)
    labels = np.asarray(jnp.argmax(logits(jnp.asarray(images)), axis=-1)).astype(np.int32)
    tokens = Tokens(host(np.zeros((count, 1, 1), np.int32)), host(np.ones((count, 1, 1), bool)))
    batch = Batch(host(np.arange(count, dtype=np.int32)), host(images), tokens, tokens.mask[..., 0])
    names = {"apgd-ce": "apgd_ce", "apgd-t": "apgd_targeted", "fab-t": "fab_targeted"}
    ours = autoattack(
        Classifier(),
        batch._replace(labels=host(labels)),
        KEY,
        threat=ThreatModel(eps=eps, norm=norm),
        members=tuple(Member(name, steps) for name in names.values()),
    )
    net = Net()
    forgetful: Any = net
    forgetful.seen = forgetful.said = collections.deque(maxlen=1)  # it need not remember
    kind = {"linf": "Linf", "l2": "L2"}[norm]
    released = AutoAttack(
        net, norm=kind, eps=eps, seed=0, version="custom", attacks_to_run=list(names),
        device="cpu", verbose=False,
    )  # fmt: skip
    same = {"norm": kind, "eps": eps, "n_iter": steps, "device": "cpu"}
    released.apgd = APGDAttack(net, **same)
    released.apgd_targeted = APGDAttack_targeted(net, n_target_classes=CLASSES - 1, **same)
    released.fab = FABAttack_PT(net, n_target_classes=CLASSES - 1, **same)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adv = released.run_standard_evaluation(theirs(images), torch.tensor(labels).long())
    stands = (
        np.argmax(np.asarray(logits(jnp.asarray(adv.permute(0, 2, 3, 1).numpy()))), 1) == labels
    )
    differ = int((stands != ours.stands).sum())
    print(f"ensemble {norm}: {ours.stands.mean():.1%}, theirs {stands.mean():.1%}; {differ} differ")
    assert 0.2 < stands.mean() < 0.85
    assert differ <= count / 100
