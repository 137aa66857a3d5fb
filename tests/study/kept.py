"""Results of studies made up for tests: the files that runs would leave."""

import json
from dataclasses import replace
from typing import Any

from experiments.study import studies
from experiments.study.setting import ATTACKS


def keep(folder, key, values, *, seed=0, trained=True, images=100, **more):
    """Write one result; `values` are R@1 by attack, the same both ways, of others 50.

    Its settings are those of the run of that name, if there is one.
    """
    study, _, name = key.partition("/")
    attacks = {attack: values.get(attack, 50.0) for attack in (*ATTACKS, "worst_case")}
    content = {
        "study": study,
        "name": name,
        "title": name,
        "seed": seed,
        **asked(key, seed),
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


def asked(key, seed) -> dict[str, Any]:
    """Settings, data and ingredients of a run of the studies."""
    runs = (run for of in studies.every().values() for run in of if run.key == key)
    run = next(runs, None)
    if run is None:
        return {"settings": {}, "manifest": [], "ingredients": []}
    return {
        "settings": replace(run, seed=seed).bound(),
        "manifest": list(run.manifest),
        "ingredients": list(run.mixed),
    }
