"""A cell's question, read more strictly than a link is: what it would not look at is refused."""

from __future__ import annotations

from data_sources.errors import BadParameter
from data_sources.fields import Params, ReadFields, one
from data_sources.query import KINDS, Query, from_fields

# Who reads the audit is an operator, and a notebook is anybody's.
SOURCES = tuple(kind for kind in KINDS if kind != "audit")


def question(params: Params) -> Query:
    """The query that `params` ask for; raises BadParameter, for one that means nothing to its source too."""
    fields = ReadFields(params)
    if one(fields, "source") == "audit":
        raise BadParameter("source", "audit is for operators, on its own page")
    query = from_fields(fields)
    if fields.ignored:
        raise BadParameter(fields.ignored[0], f"means nothing to the source {query.kind}")
    return query
