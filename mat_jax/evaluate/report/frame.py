"""The frame of a page: one HTML file that needs no other, and asks for nothing."""

from mat_jax.evaluate.report.script import POLICY, SCRIPT
from mat_jax.evaluate.report.style import CSS
from mat_jax.evaluate.report.wording import safe

# What the small pages of the commands need beside the report's own style.
MORE = """
header h1, .card h4, td, p { overflow-wrap: anywhere; }
.card.attack > div { flex: 1; min-width: 0; }
.card.attack .strip { gap: 14px; }
.card.attack .strip figure { flex: 0 1 260px; min-width: 0; }
.card.attack .strip img { width: 100%; height: auto; }
.card.attack small { margin-left: 10px; white-space: nowrap; }
.card.attack .columns { margin-top: 16px; }
ul.said { margin-top: 18px; }
.samples { display: flex; gap: 20px; flex-wrap: wrap; }
.samples figure { flex: 0 1 300px; min-width: 0; }
.samples img { width: 100%; border-radius: 4px; image-rendering: pixelated; }
"""


def sheet(
    title: str, protocol: str, body: str, foot: str, *, kind: str, script: bool = False
) -> str:
    """One HTML page that needs no other file.

    Args:
        title: the finding, in a sentence.
        protocol: under what it was found.
        body: HTML.
        foot: a sentence or two at the end.
        kind: what sort of page it is.
        script: whether there are tables to sort, or failures to page through.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{POLICY}<title>{safe(title)}</title><style>{CSS}{MORE}</style></head><body>"
        f'<header><p class="kind">{safe(kind)}</p><h1>{safe(title)}</h1>'
        f'<p class="protocol">{safe(protocol)}</p></header><main>{body}'
        f"</main><footer>Written by mat_jax. {safe(foot)}</footer>"
        f"{f'<script>{SCRIPT}</script>' if script else ''}</body></html>\n"
    )
