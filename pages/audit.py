"""Audit: who did what, when, and what came of it? For operators."""

from cells import controls
from cells.operator import operator
from cells.show import end, headline, table
from cells.views.audit import entries
from data_sources.audit_query import Audit
from headlines.control import audit, closed

if operator() is None:
    headline(closed)
    end()

asked = controls.asked(Audit)

headline(audit, entries=asked)

table(
    "audit",
    "What was done",
    "Each order has an entry before it is given, without which it is not, and one of what came of it.",
    asked,
    entries,
)
