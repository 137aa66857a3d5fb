"""A figure for each defence that the study has measured, drawn of its results.

No number is written here: those of experiments/study/results are read when the site is built.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from building.checkout import ROOT, drawn
from mat_jax.evaluate.report.plot import bars
from mat_jax.evaluate.report.wording import title
from mat_jax.evaluate.statistics import Spread, spread

RESULTS = ROOT / "experiments/study/results"
# Defence -> the study and its run; those that need class prompts were trained and told by classes.
RUNS = {
    "FineTune": ("main", "clip-fine_tune"),
    "MAT": ("main", "clip-mat"),
    "MATPlus": ("main", "clip-mat_plus"),
    "TeCoAITR": ("main", "clip-tecoa_itr"),
    "FARE": ("main", "clip-fare"),
    "LEAF": ("main", "clip-leaf"),
    "FARELEAF": ("main", "clip-fare_leaf"),
    "MAVA": ("main", "clip-mava"),
    "TeCoA": ("classes", "tecoa-kind"),
    "PMGAFT": ("classes", "pmg_aft-kind"),
    "TGAZSR": ("classes", "tga_zsr-kind"),
    "MMCoA": ("classes", "mmcoa-kind"),
}
# Study -> the models that stand beside a defence, and the attacks that are shown.
BESIDE = {
    "main": (
        ("clip-none", "clip-fine_tune"),
        ("none", "pgd", "bert_attack", "co_attack", "sga", "worst_case"),
    ),
    "classes": (
        ("none-kind", "fine_tune-kind"),
        ("none", "pgd_ce", "apgd_ce", "mmcoa_joint", "worst_case"),
    ),
}
FIGURES = {"main": "Mean of TR@1 and IR@1", "classes": "Top-1"}
UNMEASURED = "The study has not measured it."


def figure(name: str) -> str:
    """The figure of a defence with what it shows, or the sentence that there is none."""
    if name not in RUNS:
        return UNMEASURED
    study, run = RUNS[name]
    beside, attacks = BESIDE[study]
    found = {one: results(study, one) for one in dict.fromkeys((*beside, run))}
    named = {one: seeds[0]["title"] for one, seeds in found.items()}
    groups = {
        "clean" if attack == "none" else title(attack): {
            named[one]: over_seeds(seeds, attack) for one, seeds in found.items()
        }
        for attack in attacks
    }
    chart = bars(groups, title=f"{named[run]}: what is left", unit=f"{FIGURES[study]} in %")
    link = drawn(f"defenses/{name}.svg", chart)
    return f"![What is left after {named[run]}]({link})\n\n{told(found[run], attacks)}"


def results(study: str, run: str) -> list[dict[str, Any]]:
    """What the study kept of a run, a file a seed."""
    files = sorted((RESULTS / study).glob(f"{run}-[0-9]*.json"))
    if not files:
        raise FileNotFoundError(f"{RESULTS / study} has no {run}: mend RUNS")
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def over_seeds(seeds: Sequence[Mapping[str, Any]], attack: str) -> Spread:
    """A figure in percent over the seeds: top-1, or the mean of TR@1 and IR@1."""
    rows = [one["attacks"][attack] for one in seeds]
    return spread(
        [row.get("accuracy", (row.get("tr@1", 0) + row.get("ir@1", 0)) / 2) for row in rows]
    )


def told(seeds: Sequence[Mapping[str, Any]], attacks: Sequence[str]) -> str:
    """Which data, radius and seeds a figure is of."""
    one = seeds[0]
    threat = next(one["threat"][name] for name in attacks if one["threat"][name].get("eps_text"))
    asked = one["protocol"]
    steps = f", {threat['steps']} steps" if threat.get("steps") else ""
    return (
        f"{FIGURES[one['study']]} on {asked['images']} images of `{asked['gallery']}`, under linf "
        f"{threat['eps_text']}{steps} and one word. Each training has "
        f"{one['settings']['steps']} steps. Bars are means of {len(seeds)} seeds, whiskers their "
        "standard deviation. The undefended model is one model and has none. The numbers are those "
        f"of the study `{one['study']}`, which [the findings](/made/findings.md) explain."
    )
