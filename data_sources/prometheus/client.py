"""Asking Prometheus, or what speaks its HTTP API: VictoriaMetrics, Thanos, Mimir.

    client = PrometheusClient(HttpEndpoint("http://localhost:9090"))
    client.query_range("up", window).frame      # time, one column a label, value

Every call takes one overall deadline and raises SourceUnreachable or QueryRejected, nothing else. Errors are those of
web/api/v1/api.go: bad_data 400, execution 422, timeout and canceled 503.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from data_sources.config import HttpEndpoint
from data_sources.errors import BadParameter, SourceError, SourceUnreachable
from data_sources.http import MAX_BYTES, HttpClient, Pairs, Reply
from data_sources.prometheus.promql import BUILD_INFO, TELLING, Family, detect
from data_sources.prometheus.refusal import SETTING, SOURCE, error_text, refusal
from data_sources.prometheus.selectors import any_of, selected
from data_sources.prometheus.whose import ANYBODY, Whose
from data_sources.range_frame import Result, TooLarge, Undecodable, read_result
from data_sources.scope import Window, parse_duration

DEADLINE_SECONDS = 10.0
FACTS_SECONDS = 5.0
MAX_LIST_BYTES = 16 * 2**20  # of lists of names and targets, which become Python objects

Data = TypeVar("Data", dict[str, Any], list[Any], str)


@dataclass(frozen=True, kw_only=True)
class PromResult(Result):
    """A Result, with the time from asking to the frame and the size of the body."""

    took: timedelta
    bytes: int


@dataclass(frozen=True)
class Metadata:
    """What an exporter says of a metric. `type`: counter, gauge, histogram, summary or unknown."""

    type: str
    help: str
    unit: str


@dataclass(frozen=True)
class BuildInfo:
    """Product and version, which is empty when it is not known."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True)
class PrometheusFacts:
    """What a Prometheus is and has. None: not known. `version` e.g. "Prometheus 2.42.0"."""

    version: str
    family: Family
    scrape_interval: timedelta | None


class PrometheusClient:
    def __init__(self, endpoint: HttpEndpoint, whose: Whose = ANYBODY) -> None:
        self.whose = whose
        self._http = HttpClient(endpoint, SOURCE)
        self._build = BuildInfo(SOURCE, "")

    def close(self) -> None:
        self._http.close()

    def query(
        self,
        text: str,
        at: datetime | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        labels: Sequence[str] = (),
    ) -> PromResult:
        """The value at one moment, by default now by the server's clock."""
        form = [("query", text)] + ([("time", unix(at))] if at else [])
        return self._evaluate("/api/v1/query", form, deadline_seconds, labels)

    def query_range(
        self,
        text: str,
        window: Window,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        labels: Sequence[str] = (),
    ) -> PromResult:
        """The values at each step of `window`. The frame has the columns `labels` also when nothing is found.

        VictoriaMetrics moves the ends of long ranges to multiples of the step; those of a Window are such.
        """
        start, end, step = unix(window.start), unix(window.end), str(window.step.total_seconds())
        form = [("query", text), ("start", start), ("end", end), ("step", step)]
        return self._evaluate("/api/v1/query_range", form, deadline_seconds, labels)

    def label_values(
        self,
        label: str,
        match: Sequence[str] = (),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> list[str]:
        """The values of `label`, sorted, in series that match any of the selectors and have samples in that time."""
        path = f"/api/v1/label/{quote(label, safe='')}/values"
        return self._list(path, match, since, until, deadline_seconds)

    def label_names(
        self,
        match: Sequence[str] = (),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> list[str]:
        """The labels, sorted, of series that match any of the selectors and have samples in that time."""
        return self._list("/api/v1/labels", match, since, until, deadline_seconds)

    def formatted(self, text: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> str | None:
        """The expression as the server writes it; None where it does not offer that. Raises QueryRejected."""
        form = [("query", text)]
        reply = self._http.request("POST", "/api/v1/format_query", form=form, deadline_seconds=deadline_seconds)
        if reply.status in (404, 405) or (reply.status == 400 and not error_text(reply.body)):
            return None
        if reply.status != 200:
            raise refusal(reply, self._http)
        return str(data_of(reply, str))

    def metadata(self, metric: str = "", *, deadline_seconds: float = DEADLINE_SECONDS) -> dict[str, Metadata]:
        """Type, help and unit by metric name, of all metrics or one. Where exporters differ, the first counts."""
        data = self._get("/api/v1/metadata", [("metric", metric)] if metric else [], dict, deadline_seconds)
        found = {}
        for name, entries in data.items():
            match entries:
                case [{"type": str(type_), "help": str(help_)} as entry, *_]:
                    found[name] = Metadata(type_, help_, str(entry.get("unit", "")))
        return found

    def buildinfo(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> BuildInfo:
        reply = self._ask("GET", "/api/v1/status/buildinfo", deadline_seconds, max_bytes=MAX_LIST_BYTES)
        told = data_of(reply, dict)
        # VictoriaMetrics tells no version here, or one it imitates, and is known by a header (lib/httpserver)
        name = "VictoriaMetrics" if "X-Server-Hostname" in reply.headers else str(told.get("application") or SOURCE)
        self._build = BuildInfo(name, "" if name == "VictoriaMetrics" else str(told.get("version") or "").split("+")[0])
        return self._build

    def origin(self) -> str:
        """Who answers, for people, as far as buildinfo() has told: "Prometheus 2.42.0 at localhost:9090"."""
        return f"{self._build} at {self._http.endpoint.address}"

    def scrape_interval(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> timedelta | None:
        """The interval most of its targets are scraped at; None where it scrapes none itself."""
        data = self._get("/api/v1/targets", [("state", "active")], dict, deadline_seconds)
        targets = [target for target in data.get("activeTargets") or () if isinstance(target, dict)]
        texts = Counter(str(target.get("scrapeInterval")) for target in targets)
        try:
            return parse_duration(texts.most_common(1)[0][0], "scrapeInterval") if texts else None
        except BadParameter:  # VictoriaMetrics leaves it out
            return None

    def family(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> Family:
        """Which exporter's metrics were scraped within the last day."""
        telling = selected("", [f"__name__=~{any_of(TELLING)}", *self.whose.matchers("flower")])
        since = datetime.now(UTC) - timedelta(days=1)
        told = self.label_values("__name__", [telling, BUILD_INFO], since=since, deadline_seconds=deadline_seconds)
        return detect(told)

    def facts(self, *, deadline_seconds: float = FACTS_SECONDS) -> PrometheusFacts:
        """Three small questions under one deadline. Thanos, say, has no targets: then the interval is not known."""
        ends = time.monotonic() + deadline_seconds
        build = self.buildinfo(deadline_seconds=deadline_seconds)
        family = self.family(deadline_seconds=max(0.0, ends - time.monotonic()))
        try:
            interval = self.scrape_interval(deadline_seconds=max(0.0, ends - time.monotonic()))
        except SourceError:
            interval = None
        return PrometheusFacts(str(build), family, interval)

    def _evaluate(self, path: str, form: Pairs, deadline_seconds: float, labels: Sequence[str]) -> PromResult:
        started = time.monotonic()
        # Best effort: Prometheus looks at its time-out only between two steps of the evaluation.
        form = [*form, ("timeout", f"{deadline_seconds:g}"), ("stats", "1")]
        reply = self._ask("POST", path, deadline_seconds, form=form)
        try:
            result = read_result(reply.body, labels)
        except TooLarge as exc:
            raise SourceUnreachable(SOURCE, f"sent an answer that {exc}", "Ask for fewer series.") from exc
        except Undecodable as exc:
            raise unintelligible(str(exc)) from exc
        took = timedelta(seconds=time.monotonic() - started)
        return PromResult(**vars(result), took=took, bytes=len(reply.body))

    def _list(
        self, path: str, match: Sequence[str], since: datetime | None, until: datetime | None, deadline_seconds: float
    ) -> list[str]:
        params = [("match[]", selector) for selector in match]
        params += [(name, unix(moment)) for name, moment in (("start", since), ("end", until)) if moment]
        return sorted(text for text in self._get(path, params, list, deadline_seconds) if isinstance(text, str))

    def _get(self, path: str, params: Pairs, shape: type[Data], deadline_seconds: float) -> Data:
        return data_of(self._ask("GET", path, deadline_seconds, params=params, max_bytes=MAX_LIST_BYTES), shape)

    def _ask(
        self,
        method: str,
        path: str,
        deadline_seconds: float,
        *,
        params: Pairs = (),
        form: Pairs | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Reply:
        reply = self._http.request(
            method, path, params=params, form=form, deadline_seconds=deadline_seconds, max_bytes=max_bytes
        )
        if reply.status != 200:
            raise refusal(reply, self._http)
        return reply


def unix(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


def data_of(reply: Reply, shape: type[Data]) -> Data:
    """What a successful reply holds. Raises SourceUnreachable when it is nothing of that shape."""
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError as exc:
        raise unintelligible("is not JSON") from exc
    match document:
        case {"status": "success", "data": data} if isinstance(data, shape):
            return data
    raise unintelligible("is not what its API promises")


def unintelligible(how: str) -> SourceUnreachable:
    return SourceUnreachable(
        SOURCE, f"sent an answer that {how}", f"{SETTING}_URL may name a page, or a proxy in front of Prometheus."
    )
