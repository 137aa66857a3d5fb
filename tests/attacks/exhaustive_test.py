"""The exhaustive attack equals a plain reading in torch, word by word and step by step."""

import dataclasses

import jax
import numpy as np
import pytest
import torch

from mat_jax import attacks
from tests.attacks.plain_test import (
    EPS,
    KEY,
    STEPS,
    THREAT,
    assert_same_image,
    plain,
    read,
    start_of,
    words_of,
)
from tests.attacks.toy import Toy, assert_within, toy_batch
from tests.tools.narrow import host


def run(**changes):
    threat = dataclasses.replace(THREAT, **changes)
    call = attacks.compile_attack(attacks.exhaustive_attack, Toy(), threat=threat)
    return call(toy_batch(), jax.random.key(KEY)), threat


def variants(words, options, frozen=()):
    """A caption and all that come of it when one more word is replaced."""
    found = [(list(words), None)]
    for slot, tries in enumerate(options):
        if slot not in frozen:
            found += [([*words[:slot], one, *words[slot + 1 :]], slot) for one in tries]
    return found


def farthest(tries, image):
    """Of the variants the one of least cosine; the first, which is the caption, on a tie."""
    cosines = torch.stack([plain.unit_text(words) @ image for words, _ in tries])
    return tries[int(cosines.argmin())]


def ascend(clean, start, sets):
    """PGD on one image against the best answers; the best of all points visited."""
    tables = [torch.stack([plain.unit_text(words) for words, _ in tries]) for tries in sets]

    def value(x):
        image = plain.unit_image(x)
        return -sum(((table @ image).min() for table in tables), torch.zeros(()))

    x, visited = start, [start]
    for _ in range(STEPS):
        x = x.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(value(x), x)
        x = x.detach() + EPS / 4 * slope.sign()
        x = (clean + (x - clean).clamp(-EPS, EPS)).clamp(0, 1)
        visited.append(x)
    return max(visited, key=lambda x: float(value(x)))


@pytest.mark.parametrize("words", [0, 1, 2])
def test_images_and_captions_of_a_plain_reading(words):
    batch, cleans, captions, options = read()
    adv, threat = run(words=words)
    assert_within(threat, batch, adv)
    most = 0
    for i, clean in enumerate(cleans):
        image, sets = plain.unit_image(clean), []
        for own, tries in zip(captions[i], options[i], strict=True):
            now, frozen, passes = own, set(), 1
            for _ in range(words - 1):
                choices = variants(now, tries, frozen)
                passes += len(choices) - 1
                now, slot = farthest(choices, image)
                frozen |= {slot}
            sets.append(variants(now, tries, frozen) if words else variants(now, [[]] * len(now)))
            m = len(sets) - 1
            assert adv.stats["text_forwards"][i, m] == passes + len(sets[-1]) - 1
        assert_same_image(
            adv.images[i], ascend(clean, start_of(batch.images[i], batch.ids[i]), sets)
        )
        final = plain.unit_image(torch.tensor(np.asarray(adv.images[i])))
        for m, tries in enumerate(sets):
            assert words_of(adv, i, m) == farthest(tries, final)[0]
            most = max(most, int(adv.stats["changed"][i, m]))
    assert most == words


def test_no_caption_is_nearer_than_what_one_word_of_bert_attack_leaves():
    """Greedy search is one of the ways to choose; and a step needs no other image."""
    batch = toy_batch()
    adv, _ = run()
    images = np.asarray(adv.images)
    greedy = attacks.compile_attack(
        attacks.sga_plain_attack, Toy(), threat=dataclasses.replace(THREAT, eps=0.0)
    )
    there = greedy(batch._replace(images=host(images)), jax.random.key(KEY))
    for i in range(len(images)):
        image = plain.unit_image(torch.tensor(images[i]))
        for m in np.flatnonzero(batch.present[i]):
            ours, theirs = (plain.unit_text(words_of(one, i, m)) @ image for one in (adv, there))
            assert ours <= theirs + 1e-6
