"""A cell's question, read more strictly than a link is: what it would not look at is refused."""

from __future__ import annotations

from data_sources.errors import BadParameter
from data_sources.fields import Params
from data_sources.query import KINDS, Query, from_fields

# Who reads the audit is an operator, and a notebook is anybody's.
SOURCES = tuple(kind for kind in KINDS if kind != "audit")


class Noted(dict[str, tuple[str, ...]]):
    """Fields that know which of them were looked at."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        self.looked_at: set[str] = set()
        for name, value in params:
            self[name] = (*super().get(name, ()), value)

    def get(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:  # type: ignore[override]
        self.looked_at.add(name)
        return super().get(name, default)


def question(params: Params) -> Query:
    """The query that `params` ask for; raises BadParameter, for one that means nothing to its source too."""
    fields = Noted(params)
    if fields.get("source") == ("audit",):
        raise BadParameter("source", "audit is for operators, on its own page")
    query = from_fields(fields)
    if unread := [name for name in fields if name not in fields.looked_at]:
        raise BadParameter(unread[0], f"means nothing to the source {query.kind}")
    return query
