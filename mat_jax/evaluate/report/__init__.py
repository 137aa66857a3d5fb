"""The report: one self-contained page of tables, charts, pictures and neighbours."""

from mat_jax.evaluate.report.page import draw_page

__all__ = ["draw_page"]
