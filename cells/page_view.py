"""What the URL of a page says: where and when its cells ask, and how often. Nothing here needs Streamlit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from data_sources import ask
from data_sources.errors import BadParameter
from data_sources.scope import Range, Scope, format_duration, parse_duration

REFRESH = timedelta(seconds=5)
# A browser counts milliseconds in 32 bits: above 24 days it would refresh without pause.
SHORTEST_REFRESH, LONGEST_REFRESH = timedelta(seconds=1), timedelta(hours=1)
OLDEST = timedelta(minutes=1)  # who opens a page with a long refresh wants to see now all the same
SHARED = ("range", "from", "to", "refresh", "cluster", "snapshot")  # by all pages; what else is there is a page's own


@dataclass(frozen=True)
class View:
    """What the URL says, read once a run: the scope, how often to refresh (None: never), and what was refused.

    `page`: its range, where a cell has one of its own; that is then the scope's.
    """

    scope: Scope
    refresh: timedelta | None
    notices: tuple[str, ...]
    page: Range | None = None

    @property
    def of_page(self) -> View:
        return replace(self, scope=replace(self.scope, range=self.page), page=None) if self.page else self


def read(params: Mapping[str, str], clusters: Sequence[str]) -> View:
    """The view that URL parameters ask for; what cannot be used is left out and said so."""
    notices: list[str] = []
    try:
        span = Range.from_params(params)
    except BadParameter as error:
        notices.append(f"{error.name} {error.message}. Showing the last hour instead.")
        span = Range.live("1h")
    try:
        refresh = read_refresh(params.get("refresh") or format_duration(REFRESH))
    except BadParameter as error:
        notices.append(f"{error.name} {error.message}. Refreshing every {format_duration(REFRESH)} instead.")
        refresh = REFRESH
    cluster = params.get("cluster") or clusters[0]
    if cluster not in clusters:
        notices.append(f"There is no cluster “{cluster[:60]}”. Showing {clusters[0]} instead.")
        cluster = clusters[0]
    snapshot = params.get("snapshot", "")
    if not re.fullmatch(r"[\w-]{0,64}", snapshot, re.ASCII):
        notices.append("snapshot is no id of one. Showing what is now instead.")
        snapshot = ""
    refresh = None if snapshot else refresh
    return View(Scope(cluster, span, None, min(refresh or REFRESH, OLDEST), snapshot), refresh, tuple(notices))


def read_refresh(text: str) -> timedelta | None:
    """How often; None for `off`. Raises BadParameter."""
    if text in ("0", "off"):
        return None
    refresh = parse_duration(text, "refresh")
    if not SHORTEST_REFRESH <= refresh <= LONGEST_REFRESH:
        shortest, longest = format_duration(SHORTEST_REFRESH), format_duration(LONGEST_REFRESH)
        raise BadParameter("refresh", f"must be off, or from {shortest} to {longest}")
    return refresh


def link_params(view: View) -> dict[str, str]:
    """Everything the view depends on, defaults too, so that a link pins them."""
    refresh = format_duration(view.refresh) if view.refresh else "0"
    kept = {"snapshot": view.scope.snapshot} if view.scope.snapshot else {}
    return view.scope.range.to_params() | {"cluster": view.scope.cluster, "refresh": refresh} | kept


def frozen(view: View) -> View:
    """The same view with its stretch of time held still; that of a snapshot is."""
    if view.scope.snapshot:
        return view
    window = ask.desk().window(view.scope)
    return replace(view, scope=replace(view.scope, range=Range(start=window.start, end=window.end)))
