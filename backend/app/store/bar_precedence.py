"""Which cells an old answer may not touch: those that another source told anew after it had come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from app.store.bar_columns import EPOCH, BarColumns, day

_CHANGED_SINCE = text("""
SELECT DISTINCT ON (security_id, session, field) security_id, session, field, source
FROM revisions
WHERE security_id = ANY(:ids) AND session BETWEEN :first AND :last AND seen_at > :since
ORDER BY security_id, session, field, id DESC
""")


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
