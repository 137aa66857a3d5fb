"""Formulas as MathML, made when the site is built: pages need no network and no script."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

# What the converter does not know.
OTHERWISE = {r"\arg\max": r"\operatorname{arg\,max}", r"\arg\min": r"\operatorname{arg\,min}"}
LOG = logging.getLogger(__name__)


def mathml(formula: str, *, block: bool) -> str:
    """The MathML of a formula of LaTeX.

    Raises:
        ValueError: it has a command that is not known.
    """
    for one, other in OTHERWISE.items():
        formula = formula.replace(one, other)
    made = convert(formula, display="block" if block else "inline")
    if "\\" in made:
        raise ValueError(f"a command of this formula is not known: {formula}")
    return made


def setup(app: Sphinx) -> None:
    """Let Sphinx write formulas so."""

    def visitor(*, block: bool):
        def visit(translator, node: nodes.Element) -> None:
            try:
                translator.body.append(mathml(node.astext(), block=block))
            except ValueError as error:
                LOG.warning("%s", error, location=node)
            raise nodes.SkipNode

        return visit

    app.add_html_math_renderer("mathml", (visitor(block=False), None), (visitor(block=True), None))
