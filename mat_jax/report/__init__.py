"""The report: one self-contained page of tables, charts, pictures and neighbours."""

from mat_jax.report.page import page

__all__ = ["page"]
