"""Tasks that belong with one task, read from the history: its family, its runs, and what it is compared with."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from data_sources.history.rows import Row, read_rows, read_task
from data_sources.schema import STATES, tasks

FAMILY = 1_000  # tasks of one root that are read
RUNS = 20  # of one name
LINE = 100  # parents above each other
SUCCESS = STATES.index("SUCCESS")


def read_family(connection: Connection, id: str) -> tuple[list[Row], bool]:
    """The tasks of its root, itself among them, the first sent first; and whether there are more than are read."""
    root = connection.execute(select(tasks.c.root).where(tasks.c.id == id)).scalar() or id
    query = select(tasks.c.seq).where(or_(tasks.c.root == root, tasks.c.id == root)).limit(FAMILY + 1)
    found = list(connection.execute(query).scalars())
    if len(found) <= FAMILY:
        return sorted(read_rows(connection, found), key=began), False
    own = [*read_line(connection, id), *read_task(connection, root)]
    others = read_rows(connection, found[:FAMILY])
    kept = {row["seq"]: row for row in [*own, *others]}
    return sorted(list(kept.values())[:FAMILY], key=began), True


def read_line(connection: Connection, id: str) -> list[Row]:
    """The task and its parents, one above the other."""
    line: dict[str, Row] = {}
    above: str | None = id
    while above is not None and above not in line and len(line) < LINE:
        found = read_task(connection, above)
        if not found:
            break
        line[above] = found[0]
        above = found[0]["parent"]
    return list(line.values())


def read_runs(connection: Connection, id: str) -> list[Row]:
    """The newest of its name, and itself if it is older."""
    own = connection.execute(select(tasks.c.seq, tasks.c.name).where(tasks.c.id == id)).one_or_none()
    if own is None:
        return []
    if own.name is None:
        return read_rows(connection, [own.seq])
    newest = select(tasks.c.seq).where(tasks.c.name == own.name).order_by(tasks.c.last_us.desc()).limit(RUNS)
    found = list(connection.execute(newest).scalars())
    return read_rows(connection, found if own.seq in found else [*found, own.seq])


def read_compared(connection: Connection, id: str, other: str) -> list[Row]:
    """The task, and the other one; without an `other` the last success of its name, if there is one."""
    own = read_task(connection, id)
    if not own or other:
        return own + (read_task(connection, other) if own else [])
    named = select(tasks.c.name).where(tasks.c.id == id).scalar_subquery()
    success = select(tasks.c.seq).where(tasks.c.name == named, tasks.c.state + 0 == SUCCESS, tasks.c.id != id)
    last = connection.execute(success.order_by(tasks.c.last_us.desc()).limit(1)).scalars().all()
    return own + read_rows(connection, last)


def began(row: Row) -> tuple[int, int]:
    known = (row[column] for column in ("sent_us", "received_us", "started_us", "last_us"))
    return next(moment for moment in known if moment is not None), row["seq"]
