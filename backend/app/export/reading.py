"""What a researcher types to read the exports on the host that holds them: one line a reader, run by the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """Python that reads the current export of *kind* with *reader*."""

    kind: str
    reader: str
    text: str


def lines(folder: Path) -> list[Line]:
    """The lines for the exports below *folder*, whose name may hold any character."""
    tree, bars = (str(folder / kind) for kind in ("qlib/current", "parquet/current/bars"))
    # Bars lie in a folder a year, whose name is a column (Hive's layout).
    files = f"{bars}/*/*.parquet"
    query = f"SELECT * FROM read_parquet({_sql(files)}, hive_partitioning = true) LIMIT 5"
    return [
        Line("qlib", "Qlib", f'import qlib; qlib.init(provider_uri={_text(tree)}, region="tw")'),
        Line("parquet", "polars", f"import polars as pl; pl.scan_parquet({_text(files)}, hive_partitioning=True)"),
        Line("parquet", "pandas", f"import pandas as pd; pd.read_parquet({_text(bars)})"),
        Line("parquet", "DuckDB", f"import duckdb; duckdb.sql({_text(query)})"),
    ]


def _text(value: str) -> str:
    """As Python reads a text, whatever quotation marks it has; every character stays as it is seen in the shell."""
    return json.dumps(value, ensure_ascii=False)


def _sql(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
