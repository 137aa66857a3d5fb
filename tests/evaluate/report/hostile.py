"""A result whose every text is an attempt on the page that shows it."""

from dataclasses import replace

from mat_jax.evaluate.results import Check, Result
from tests.made_up import made_up

HOSTILE = (
    "<script>window.harmed = 1</script>",
    "\"><img src=x onerror='window.harmed = 1'>",
    "</style></script></title><svg onload=window.harmed=1>",
    "' onmouseover='window.harmed = 1",
    'a "quoted" file\'s name.png',
    "=HYPERLINK(1)&amp;<b>",
    "javascript:window.harmed=1",
    "\\end{tabular}\\input{/etc/passwd} 50 % _ # $ ~ ^",
)


def hostile(name: str) -> Result:
    """Two eps, so that every part of the page is drawn; attacks are called hostile things too."""
    result = made_up(name, 0.1, images=10, captions=3, eps=(2 / 255, 4 / 255))
    rows = []
    for row in result.rows:
        captions = tuple(
            f"{HOSTILE[n % len(HOSTILE)]} {text}" for n, text in enumerate(row.captions)
        )
        attack = row.attack if row.attack == "none" else f"{row.attack} {HOSTILE[1]}"
        protocol = {**row.protocol, HOSTILE[1]: HOSTILE[0], "attack": attack}
        rows.append(replace(row, attack=attack, captions=captions, protocol=protocol))
    return replace(
        result,
        rows=tuple(rows),
        protocol={**result.protocol, "gallery": HOSTILE[4] + HOSTILE[0], "data": list(HOSTILE)},
        flags=HOSTILE,
        notes=HOSTILE,
        checks=tuple(Check(name=one, verdict="passed", sentence=one) for one in HOSTILE),
        scores={row.name: {HOSTILE[0]: 1.0} for row in rows},
    )
