"""Sphinx settings of the site: `make docs`, or `python -m sphinx -W docs build/docs`.

What is made from the registries, the faces and the checkout is written to docs/made, which git
ignores, before Sphinx looks for pages.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from building import checkout, everything, formulas, notebook_pages  # noqa: E402

project = "mat_jax"
author = "the founders of mat_jax"
copyright = "Apache-2.0"
extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["building", "made/parts"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
# Headings of the README files begin where GitHub wants them, not where a book would.
suppress_warnings = ["myst.header"]

# Notebooks run when the site is built, each once for one state of the package: what came out is
# kept beside the site. `-D nb_execution_mode=off` shows them without.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks" / notebook_pages.package_state())
nb_execution_in_temp = True
nb_execution_timeout = 600  # seconds of a cell
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_kernel_rgx_aliases = {".*": "python3"}

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "mat_jax"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_show_sphinx = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
smartquotes = False  # a prime is a prime
highlight_language = "text"


def setup(app: Sphinx) -> None:
    """Make the pages that are made, and let links of the others lead to them."""
    everything.write(HERE / "made")
    formulas.setup(app)
    app.connect("source-read", relinked)


def relinked(app: Sphinx, name: str, content: list[str]) -> None:
    """Links that leave docs/ lead to the site's own copy of what they mean."""
    if not name.startswith("made/"):
        content[0] = checkout.relinked(content[0], (HERE / name).parent)
