"""Results of studies made up for tests: the files that runs would leave."""

import json

from mat_jax.study.setting import ATTACKS


def keep(folder, key, values, *, seed=0, trained=True, images=100, **more):
    """Write one result; `values` are R@1 by attack, the same both ways, of others 50."""
    study, _, name = key.partition("/")
    attacks = {attack: values.get(attack, 50.0) for attack in (*ATTACKS, "worst_case")}
    content = {
        "study": study,
        "name": name,
        "title": name,
        "seed": seed,
        "settings": {},
        "trained": trained,
        "minutes": {"training": 3.0, "evaluation": 2.0},
        "images_per_second": 40.0,
        "machine": {"processor": "A Processor", "cores": 2, "device": "cpu"},
        "protocol": {
            "gallery": "scenes/test",
            "images": images,
            "captions": 5 * images,
            "preset": "strict",
        },
        "threat": {
            "sga": {
                "norm": "linf",
                "eps_text": "6/255",
                "steps": 10,
                "words": 1,
                "candidates": 10,
            },
            "worst_case": {"suite": "quick"},
        },
        "attacks": {
            attack: {f"{d}@{k}": value for d in ("tr", "ir") for k in (1, 5, 10)}
            for attack, value in attacks.items()
        },
        "neighbours": [],
        **more,
    }
    file = folder / study / f"{name}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
