"""Read an export with the real Qlib; runs in .venv-qlib: ``python read_with_qlib.py TREE OUT.npz PAGE``.

Nothing of ours is imported here: what comes out is what any user of Qlib gets.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import qlib
from qlib.constant import REG_TW
from qlib.contrib.data.loader import Alpha158DL
from qlib.data import D

FIELDS = ["$open", "$high", "$low", "$close", "$volume", "$factor", "$change", "$vwap"]
EXPRESSIONS = ["Ref($close, 1)", "Mean($close, 5)", "Corr($close, $volume, 10)", "$close / $factor"]
PRICES = FIELDS[:4]


def main(tree: str, out: str, page: str) -> None:
    """Write all that was read to the file *out*."""
    qlib.init(provider_uri=tree, region=REG_TW, kernels=1)
    names = sorted(path.stem for path in Path(tree, "instruments").iterdir())
    universes = {name: D.list_instruments(D.instruments(name)) for name in names}
    frame = D.features(D.instruments("all"), FIELDS + EXPRESSIONS)
    expressions, alphas = Alpha158DL.get_feature_config()
    alpha = D.features(D.instruments("all"), expressions)
    alpha.columns = alphas
    facts = {
        "calendar": [str(day.date()) for day in D.calendar()],
        "universes": {
            name: {symbol: [str(day.date()) for day in spans[0]] for symbol, spans in members.items()}
            for name, members in universes.items()
        },
        "columns": FIELDS + EXPRESSIONS,
        "alphas": alphas,
        "health": health(frame),
        "page": run_page(page, tree),
    }
    np.savez(
        out,
        facts=json.dumps(facts),
        symbols=frame.index.get_level_values("instrument").to_numpy(dtype=str),
        days=frame.index.get_level_values("datetime").to_numpy(dtype="datetime64[D]"),
        values=frame.to_numpy(np.float64),
        alpha=alpha.reindex(frame.index).to_numpy(np.float64),
    )


def health(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The conditions of Qlib's scripts/check_data_health.py, by symbol.

    Missing values by field; the largest step of each field (a change over its value before) from session to session
    and, which that script does not look at, over sessions without a value; whether there is a factor at all.
    """
    found = {}
    for symbol, rows in frame.groupby(level="instrument"):
        found[str(symbol)] = {
            "missing": {name: int(rows[name].isna().sum()) for name in (*PRICES, "$volume", "$factor")},
            "steps": {name: largest_step(rows[name]) for name in PRICES},
            "over_gaps": {name: largest_step(rows[name].dropna()) for name in PRICES},
            "raw_step": largest_step((rows["$close"] / rows["$factor"]).dropna()),
            "no_factor": bool(rows["$factor"].isna().all()),
        }
    return found


def largest_step(values: pd.Series) -> float:
    return float(values.pct_change(fill_method=None).abs().max())


def run_page(page: str, tree: str) -> str:
    """Run the Python of a how-to page upon this tree; what its last line made, as text."""
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```", Path(page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    scope: dict[str, Any] = {}
    exec(code.replace(".quantlab/sandbox/exports/qlib/current", tree), scope)
    return json.dumps({"alpha": list(scope["alpha"].shape), "close": list(scope["close"].shape)})


if __name__ == "__main__":
    main(*sys.argv[1:])
