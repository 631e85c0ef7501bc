"""What is newer: the cells that an old answer may not touch, for another source told them anew after it had come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import numpy as np
from sqlalchemy import Connection, select, text

from app.store.bar_columns import EPOCH, BarColumns, day
from app.store.tables import bars, securities

_CHANGED_SINCE = text("""
SELECT DISTINCT ON (security_id, session, field) security_id, session, field, source
FROM revisions
WHERE security_id = ANY(:ids) AND session BETWEEN :first AND :last AND seen_at > :since
ORDER BY security_id, session, field, id DESC
""")


def recorded_at(connection: Connection, symbol: str, session: date) -> datetime | None:
    """Since when the bar stands as it is held; None where none is."""
    return connection.scalar(
        select(bars.c.recorded_at)
        .join(securities, securities.c.id == bars.c.security_id)
        .where(securities.c.symbol == symbol, bars.c.session == session)
    )


def told_later(
    connection: Connection, columns: BarColumns, *, source: str, since: datetime
) -> Mapping[str, Sequence[int]]:
    """Of each field the keys among *columns* whose held value comes from another than *source*, and after *since*.

    What *source* itself changed since then is that very answer as it was once stored: a better parser may mend it.
    """
    if not len(columns):
        return {}
    span = {"first": day(columns.sessions.min()), "last": day(columns.sessions.max())}
    asked = {"ids": np.unique(columns.ids).tolist(), "since": since, **span}
    keys = defaultdict[str, list[int]](list)
    for row in connection.execute(_CHANGED_SINCE, asked):
        if row.source != source:
            keys[row.field].append(((row.session.toordinal() - EPOCH) << 32) + row.security_id)
    return keys
