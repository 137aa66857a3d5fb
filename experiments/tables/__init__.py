"""The tables and figures of the papers, one file a paper: which command draws which."""

from experiments.tables import mat, mava, mmcoa
from experiments.tables.table import Table

TABLES: dict[str, Table] = {
    table.name: table for paper in (mat, mava, mmcoa) for table in paper.TABLES
}
