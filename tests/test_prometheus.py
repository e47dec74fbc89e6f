"""The client against a real Prometheus, a real VictoriaMetrics where there is one, and faults made by a socket."""

from __future__ import annotations

import http.client
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pandas as pd
import pytest

from data_sources.config import HttpEndpoint, Secret
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.prometheus.client import BuildInfo, PrometheusClient
from data_sources.prometheus.promql import signal
from data_sources.scope import Window
from demo.servers import Process, Prometheus, accepts, free_port, http_ok, program, wait_until
from tests.blocks import client_of, series
from tests.peer import Peer, body, says

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RESPONSES = Path(__file__).parent / "responses" / "prometheus"
PARSE_ERROR = (RESPONSES / "parse_error.json").read_bytes()
HOSTILE = 'say "hi"\\ 🥕'
FIRST = {"place": HOSTILE, "value": "x"}
SAMPLES = (
    series("temperature", FIRST, [0.1, 0.30000000000000004, None, 1e-7, float("inf")], START, MINUTE)
    + series("temperature", {"place": "late"}, [None, None, float("nan"), -1.5, 2**53], START, MINUTE)
    + series("celery_worker_up", {"hostname": "h1"}, [1] * 5, START, MINUTE)
    + series("celery_task_succeeded_total", {"name": "mail"}, [100, 160, 220, 280, 340], START, MINUTE)
)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    with client_of(SAMPLES, tmp_path_factory.mktemp("history")) as client:
        yield client


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    """A Prometheus that scrapes itself each second, behind a path."""
    port = free_port()
    config = f"""\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
- job_name: itself
  metrics_path: /behind/metrics
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
rule_files: ["rules.yml"]
"""
    folder = tmp_path_factory.mktemp("live")
    (folder / "prometheus.yml").write_text(config)
    (folder / "rules.yml").write_text("groups: [{name: g, rules: [{record: flower_events_total, expr: vector(1)}]}]\n")
    flags = [f"--web.listen-address=127.0.0.1:{port}", "--web.route-prefix=/behind", "--storage.tsdb.path=data"]
    with Process("prometheus", [program("prometheus"), "--config.file=prometheus.yml", *flags], folder) as server:
        server.wait_until(lambda: http_ok(port, "/behind/-/ready"))
        client = PrometheusClient(HttpEndpoint(f"http://127.0.0.1:{port}/behind"))
        wait_until(lambda: len(client.query("up == 1 and on () flower_events_total").frame) == 1, "the first scrape")
        yield client
        client.close()


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.astype(object).itertuples(index=False, name=None))


def window(minutes: int, step: timedelta = MINUTE) -> Window:
    return Window(START, START + minutes * MINUTE, step)


def test_a_range_comes_back_exactly_with_its_gap_and_its_late_start(history: PrometheusClient) -> None:
    result = history.query_range("last_over_time(temperature[30s])", window(4), labels=("place",))
    times = [pd.Timestamp(START + n * MINUTE) for n in range(5)]
    assert (result.kind, result.warnings, result.infos) == ("matrix", (), ())
    assert list(result.frame.columns) == ["time", "__name__", "exported_value", "place", "value"]
    frame = (
        result.frame.drop(columns="__name__")
        .astype({"exported_value": object})
        .fillna({"exported_value": "", "value": -1})
    )
    assert rows(frame) == [
        (times[2], "", "late", -1.0),
        (times[3], "", "late", -1.5),
        (times[4], "", "late", 9007199254740992.0),
        (times[0], "x", HOSTILE, 0.1),
        (times[1], "x", HOSTILE, 0.30000000000000004),
        (times[3], "x", HOSTILE, 1e-07),
        (times[4], "x", HOSTILE, float("inf")),
    ]
    assert result.bytes > 100
    assert result.took > timedelta(0)


def test_nothing_found_has_the_promised_labels(history: PrometheusClient) -> None:
    frame = history.query_range("no_such_metric", window(4), labels=("queue",)).frame
    assert dict(frame.dtypes.astype(str)) == {"time": "datetime64[ms, UTC]", "queue": "category", "value": "float64"}
    assert frame.empty


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("celery_worker_up", "vector", [("celery_worker_up", "h1", 1.0)]),
        ("celery_worker_up[1m]", "matrix", [("celery_worker_up", "h1", 1.0)] * 2),
        ("2 * 3", "scalar", [(6.0,)]),
        ('"text"', "string", [("text",)]),
    ],
)
def test_each_kind_of_instant_answer(history: PrometheusClient, text: str, kind: str, expected: list[Any]) -> None:
    result = history.query(text, START + MINUTE)
    assert result.kind == kind
    assert rows(result.frame.drop(columns="time")) == expected
    assert result.frame["time"].iloc[-1] == START + MINUTE


def test_eleven_thousand_points_and_one_are_too_many(history: PrometheusClient) -> None:
    assert len(history.query_range("vector(1)", window(11_000)).frame) == 11_001
    with pytest.raises(QueryRejected, match="exceeded maximum resolution of 11,000 points"):
        history.query_range("vector(1)", window(11_001))


@pytest.mark.parametrize("text", ["sum(", "up[", "a b", '"\udcff"', "rate(up[0s])", "1+" * 3000 + "("])
def test_a_query_that_cannot_be_parsed_is_rejected_in_prometheus_own_words(
    history: PrometheusClient, text: str
) -> None:
    with pytest.raises(QueryRejected, match="parse error") as caught:
        history.query(text)
    assert len(caught.value.what) <= 300
    assert caught.value.hint


def test_a_query_that_cannot_be_evaluated_is_rejected(history: PrometheusClient) -> None:
    with pytest.raises(QueryRejected, match="many-to-many"):
        history.query("temperature * on () temperature", START + 3 * MINUTE)


def test_label_values_are_those_of_the_matching_series(history: PrometheusClient) -> None:
    assert history.label_values("place") == ["late", HOSTILE]
    assert history.label_values("__name__", ["temperature", 'celery_worker_up{hostname="h1"}']) == [
        "celery_worker_up",
        "temperature",
    ]
    assert history.label_values("place", since=START + timedelta(days=1)) == []
    with pytest.raises(QueryRejected, match="parse error"):
        history.label_values("place", ["{"])


def test_what_stopped_being_scraped_long_ago_is_not_there_now(history: PrometheusClient) -> None:
    facts = history.facts(deadline_seconds=60)
    assert facts.family == "none"
    assert facts.scrape_interval is None  # no targets


def test_a_live_server_tells_its_facts(live: PrometheusClient) -> None:
    facts = live.facts(deadline_seconds=60)
    assert re.fullmatch(r"Prometheus \d+\.\d+\.\d+", facts.version)
    assert facts.family == "flower"
    assert facts.scrape_interval == timedelta(seconds=1)
    assert live.origin().startswith(f"{facts.version} at 127.0.0.1:")
    assert live.origin().endswith("/behind")


def test_metadata_tells_type_and_help(live: PrometheusClient) -> None:
    found = live.metadata("prometheus_tsdb_head_series")
    assert list(found) == ["prometheus_tsdb_head_series"]
    assert found["prometheus_tsdb_head_series"].type == "gauge"
    assert found["prometheus_tsdb_head_series"].help == "Total number of series in the head block."
    assert len(live.metadata()) > 50


def test_a_path_that_is_left_out_is_asked_for(live: PrometheusClient) -> None:
    address = live.origin().rsplit(" ", 1)[-1].removesuffix("/behind")
    client = PrometheusClient(HttpEndpoint(f"http://{address}"))
    with pytest.raises(SourceUnreachable, match="no query API at this address") as caught:
        client.query("up")
    assert "path in PROMETHEUS_URL" in caught.value.hint
    client.close()


def test_a_server_that_stops_answering_is_given_up_and_heals(tmp_path: Path) -> None:
    import signal as signals

    with Prometheus(tmp_path) as server:
        client = PrometheusClient(HttpEndpoint(server.url))
        server.suspend()
        with pytest.raises(SourceUnreachable, match=r"within 1 s"):
            client.query("1", deadline_seconds=0.3)
        server.signal(signals.SIGCONT)
        assert list(client.query("1").frame["value"]) == [1.0]
        client.close()


def answer(status: int, content: bytes, more: bytes = b"") -> bytes:
    return body(content, more).replace(b"200 OK", b"%d Status" % status)


def failure(kind: str, text: str) -> bytes:
    return b'{"status":"error","errorType":"%s","error":"%s"}' % (kind.encode(), text.encode())


@pytest.mark.parametrize(
    ("sent", "error", "what", "hint"),
    [
        (answer(400, PARSE_ERROR), QueryRejected, "unclosed left parenthesis", "Change"),
        (answer(400, failure("bad_data", "x" * 5000)), QueryRejected, "x{300}$", "Change"),
        (answer(422, failure("execution", "too many samples")), QueryRejected, "too many samples", "range"),
        (answer(422, failure("execution", "x: context deadline exceeded")), SourceUnreachable, "gave up", "shorter"),
        (answer(503, failure("timeout", "query timed out")), SourceUnreachable, "gave up", "shorter"),
        (answer(400, b"<html>Bad Request</html>"), SourceUnreachable, "status 400$", "proxy"),
        (answer(400, b"Client sent an HTTP request to an HTTPS server.\n"), SourceUnreachable, "TLS", "https://"),
        (answer(400, b"<b>The plain HTTP request was sent to HTTPS port</b>"), SourceUnreachable, "TLS", "https://"),
        (answer(500, b"no\n  disk " + b"x" * 5000), SourceUnreachable, "status 500: no disk x{292}$", "proxy"),
        (answer(401, b"Unauthorized"), SourceUnreachable, "let us in .401.: Unauthorized$", "PROMETHEUS_BEARER_TOKEN"),
        (answer(403, b"no"), SourceUnreachable, "let us in", "PROMETHEUS_PASSWORD"),
        (answer(403, b"not with S3cr3tPw"), SourceUnreachable, "let us in .403.$", "PROMETHEUS_HEADERS"),
        (answer(401, b"no org id"), SourceUnreachable, "no org id$", 'PROMETHEUS_HEADERS={"X-Scope-OrgID": "..."}'),
        (answer(404, b"404 page not found"), SourceUnreachable, "no query API", "PROMETHEUS_URL"),
        (answer(429, b"", b"Retry-After: 17\r\n"), SourceUnreachable, "too often", "in 17 s"),
        (answer(429, b"", b"Retry-After: <script>\r\n"), SourceUnreachable, "too often", "^Try again later"),
        (answer(500, failure("internal", "disk\\nfull")), SourceUnreachable, "status 500: disk full", "trouble"),
        (answer(502, b"<html>Bad Gateway</html>"), SourceUnreachable, "status 502$", "proxy"),
        (answer(204, b""), SourceUnreachable, "status 204", ""),
        (answer(302, b""), SourceUnreachable, "redirect", "PROMETHEUS_URL"),
        (answer(200, b"<html>Log in</html>"), SourceUnreachable, "is not JSON", "PROMETHEUS_URL"),
        (answer(200, b""), SourceUnreachable, "is not JSON", "PROMETHEUS_URL"),
        (answer(200, b'{"data":{}}'), SourceUnreachable, "is not an answer", "PROMETHEUS_URL"),
        (answer(200, b'{"status":"success","data":null}'), SourceUnreachable, "is not an answer", "PROMETHEUS_URL"),
        (answer(200, b'{"status":"success","data":{"resu'), SourceUnreachable, "broken JSON", "PROMETHEUS_URL"),
        (answer(200, b"{" + b" " * 17 * 2**20), SourceUnreachable, "too large", "fewer series"),
    ],
    ids=range(26),
)  # fmt: skip
def test_every_refusal_says_what_happened_and_what_to_do(
    sent: bytes, error: type[Exception], what: str, hint: str
) -> None:
    with Peer(says(sent)) as peer:
        client = PrometheusClient(HttpEndpoint(peer.url, bearer_token=Secret("S3cr3tPw")))
        with pytest.raises(error, match=what) as caught:
            client.query("up")
        client.close()
    assert isinstance(caught.value, QueryRejected | SourceUnreachable)
    assert re.search(hint, caught.value.hint)
    assert "S3cr3tPw" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("page", ["/api/v1", "/api/v1/query", "/graph", "/classic/graph", "/query"])
def test_an_address_of_a_page_or_of_the_api_is_told_to_end_before_it(live: PrometheusClient, page: str) -> None:
    root = f"http://{live.origin().rpartition(' at ')[2]}"
    client = PrometheusClient(HttpEndpoint(root + page))
    with pytest.raises(SourceUnreachable, match="no query API") as caught:
        client.query("up")
    client.close()
    assert caught.value.hint.startswith(f"Leave {page} out of PROMETHEUS_URL")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"status":"success","data":7}', b'{"status":"success"}', b"[" * 10_000]
)
def test_lists_that_are_none_are_errors(content: bytes) -> None:
    with Peer(says(body(content))) as peer:
        client = PrometheusClient(HttpEndpoint(peer.url))
        for ask in (lambda: client.label_values("a"), client.metadata, client.buildinfo, client.scrape_interval):
            with pytest.raises(SourceUnreachable, match="sent an answer that is not"):
                ask()
        client.close()


def test_warnings_and_infos_are_kept() -> None:
    told = b'{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"],"infos":["i"]}'
    with Peer(says(body(told))) as peer:
        client = PrometheusClient(HttpEndpoint(peer.url))
        result = client.query("up")
        client.close()
    assert (result.warnings, result.infos) == (("w",), ("i",))


@pytest.mark.parametrize(("seconds", "step"), [(0.5, "0.5"), (1_234_567, "1234567.0")])
def test_a_query_is_posted_with_a_time_out_of_its_own(seconds: float, step: str) -> None:
    with Peer(says(body((RESPONSES / "matrix.json").read_bytes()))) as peer:
        client = PrometheusClient(HttpEndpoint(peer.url))
        client.query_range("up", window(4, timedelta(seconds=seconds)), deadline_seconds=2.5)
        client.close()
    head, _, form = peer.requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /api/v1/query_range HTTP/1.1")
    expected = {"query": "up", "start": "1767571200.000", "end": "1767571440.000", "step": step, "timeout": "2.5"}
    expected |= {"stats": "1"}
    assert {name: value for name, [value] in parse_qs(form).items()} == expected


def test_facts_that_took_all_their_time_leave_none_and_not_less(
    live: PrometheusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PrometheusClient, "buildinfo", lambda *_, **__: "answered late")
    with pytest.raises(SourceUnreachable, match="no complete answer within 0 s"):
        live.facts(deadline_seconds=-1.0)


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    if not shutil.which("victoria-metrics"):
        pytest.skip("victoria-metrics is not installed")
    folder, port = tmp_path_factory.mktemp("victoria"), free_port()
    flags = [f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder / 'data'}", "-retentionPeriod=100y"]
    with Process("victoria-metrics", [program("victoria-metrics"), *flags], folder) as server:
        server.wait_until(lambda: accepts(port))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        # its import counts milliseconds, OpenMetrics seconds
        lines = re.sub(r" (\d+)\.(\d{3})$", r" \1\2", SAMPLES, flags=re.MULTILINE)
        connection.request("POST", "/api/v1/import/prometheus", lines.encode())
        assert connection.getresponse().read() == b""
        connection.request("GET", "/internal/force_flush")
        assert connection.getresponse().status == 200
        connection.close()
        client = PrometheusClient(HttpEndpoint(f"http://127.0.0.1:{port}"))
        wait_until(lambda: len(client.query("temperature", START + 3 * MINUTE).frame) == 2, "the import")
        yield client
        client.close()


def test_victoriametrics_gives_the_same_range(victoria: PrometheusClient, history: PrometheusClient) -> None:
    asked = "last_over_time(temperature{place!='late'}[30s])"
    ours, theirs = (client.query_range(asked, window(2)).frame for client in (history, victoria))
    # it keeps about 15 significant digits
    pd.testing.assert_frame_equal(ours[list(theirs.columns)], theirs, check_exact=False, rtol=1e-14)
    long = Window(START, START + 500 * MINUTE, MINUTE)
    pd.testing.assert_frame_equal(*(client.query_range("vector(1)", long).frame for client in (history, victoria)))


def test_victoriametrics_takes_the_named_queries_and_tells_its_facts(victoria: PrometheusClient) -> None:
    for name, by, expected in (("throughput", "name", 1.0), ("busy_slots", "", None), ("memory", "container", None)):
        named = signal(name, by, "celery-exporter", 2 * MINUTE)
        assert named
        frame = victoria.query(named.text, START + 4 * MINUTE, labels=named.labels).frame
        assert list(frame.columns) == ["time", *named.labels, "value"]
        assert list(frame["value"]) == ([expected] if expected else [])
    assert victoria.buildinfo() == BuildInfo("VictoriaMetrics", "")
    assert victoria.origin().startswith("VictoriaMetrics at 127.0.0.1:")
    assert victoria.scrape_interval() is None
    assert victoria.label_values("place", since=START) == ["late", HOSTILE]
    with pytest.raises(QueryRejected, match="unexpected token"):
        victoria.query("sum(")


def test_a_dead_server_is_told_as_one_and_not_waited_for() -> None:
    client = PrometheusClient(HttpEndpoint("http://127.0.0.1:1"))
    with pytest.raises(SourceUnreachable, match="connection refused"):
        client.facts()
    client.close()
