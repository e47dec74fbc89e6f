"""What Flower 2.2 shows and tells of a cluster, here: each row of docs/flower.md, on Redis and on RabbitMQ.

Nothing is compared with Flower itself: what the workers were given to do is known.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from control.planning import KINDS
from data_sources.query import METHODS, Depths, Inspect, Workers
from data_sources.scope import Range
from data_sources.task_query import Facets, Family, Task, TaskFilter, TaskNames, Tasks
from demo.servers import RabbitMQ, Redis, wait_until
from identity import NOBODY
from tests.exports import Row
from tests.flower_cluster import FORGOTTEN, HARD_SECONDS, POOLS, SOFT_SECONDS, Cluster, cluster_on, host
from tests.steered import ANN

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs/flower.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ") and "`test_" in line]

# Of flower/urls.py, but for static files, login and the page for what is not found.
FLOWER = """
    / /workers /worker/NAME /task/ID /tasks /tasks/datatable /broker /metrics /healthcheck
    /api/workers /api/tasks /api/task/types /api/task/info /api/task/result /api/queues/length
    /api/worker/shutdown /api/worker/pool/restart /api/worker/pool/grow /api/worker/pool/shrink
    /api/worker/pool/autoscale /api/worker/queue/add-consumer /api/worker/queue/cancel-consumer
    /api/task/apply /api/task/async-apply /api/task/send-task /api/task/abort /api/task/timeout /api/task/rate-limit
    /api/task/revoke
"""

ACTIVE = {"prefork": 0, "threads": 2, "solo": 0, "gevent": 1}
PROCESSED = {  # a retried task twice
    "prefork": {"shop.add": 2, "shop.fail": 1, "shop.retry": 2},
    "threads": {"shop.add": 1, "shop.fail": 1, "shop.retry": 2, "shop.sleep": 2},
    "solo": {"shop.add": 1, "shop.fail": 1, "shop.retry": 2},
    "gevent": {"shop.add": 1, "shop.fail": 1, "shop.retry": 2, "shop.sleep": 1},
}
SUCCEEDED = {"prefork": 3, "threads": 2, "solo": 2, "gevent": 2}

pool = pytest.mark.parametrize("pool", POOLS)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("flower")
    if request.param == "redis":
        with Redis(folder / "redis") as redis, cluster_on(redis.url, folder) as cluster:
            yield cluster
        return
    server: RabbitMQ = request.getfixturevalue("rabbitmq")
    server.ctl("add_vhost", "flower")
    server.ctl("set_permissions", "-p", "flower", "guest", ".*", ".*", ".*")
    url = f"amqp://guest:guest@127.0.0.1:{server.port}/flower"
    with cluster_on(url, folder, RABBITMQ_MANAGEMENT_URL=str(server.management_url)) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def all_answer(cluster: Cluster) -> None:
    """A worker that had no time to answer once is said to be silent."""
    wait_until(lambda: all(map(answers, cluster.exports.rows(Workers()))), "all answers")


def asked(cluster: Cluster, method: str, pool: str) -> list[Row]:
    """What one worker says of itself."""
    return cluster.exports.rows(Inspect(method, (host(pool),)))


def listed(cluster: Cluster, **filter: Any) -> set[str]:
    return {row["id"] for row in cluster.exports.rows(Tasks(TaskFilter(**filter), limit=100))}


def searched(cluster: Cluster, search: str) -> set[str]:
    return listed(cluster, search=search)


# --- the table --------------------------------------------------------------------------------------------------


def test_each_row_names_its_test_and_each_test_has_a_row() -> None:
    named = set(re.findall(r"`(test_\w+)`", TABLE))
    code = "".join((ROOT / f"tests/{name}.py").read_text() for name in ("test_flower", "test_flower_control"))
    tests = set(re.findall(r"^def (test_\w+)", code, re.MULTILINE))
    assert named == {name for name in tests if not name.startswith("test_each_")}
    assert all(re.search(r"`test_\w+`", row[-1]) for row in ROWS)


def test_each_page_and_call_of_flower_has_a_row() -> None:
    told = {path for row in ROWS for path in re.findall(r"`(/[^`? ]*)", row[0])}
    assert set(FLOWER.split()) <= told


def test_each_cell_that_is_named_stands_on_its_page() -> None:
    named = re.findall(r"`/(\w*)[^`]*`: `(\w+)`", TABLE)
    assert named
    for page, cell in named:
        code = ast.parse((ROOT / "pages" / f"{page or 'overview'}.py").read_text())
        cells = {node.value for node in ast.walk(code) if isinstance(node, ast.Constant)}
        assert cell in cells, f"{page} has no cell {cell}"


# --- workers ----------------------------------------------------------------------------------------------------


@pool
def test_a_worker_in_the_list(cluster: Cluster, pool: str) -> None:
    [row] = cluster.exports.rows(Workers((host(pool),)))
    assert (row["pool"], int(row["active"])) == (pool, ACTIVE[pool])
    assert int(row["processed"]) == sum(PROCESSED[pool].values())
    assert json.loads(row["queues"]) == [pool]
    assert float(row["load"]) >= 0
    ended = cluster.exports.rows(Facets(TaskFilter(workers=(host(pool),), states=("SUCCESS", "FAILURE"))))
    counted = {row["value"]: int(row["count"]) for row in ended if row["facet"] == "state"}
    assert counted == {"SUCCESS": SUCCEEDED[pool], "FAILURE": 1}


def test_all_workers_together(cluster: Cluster) -> None:
    rows = cluster.exports.rows(Workers())
    assert {row["worker"] for row in rows if row["verdict"] not in ("silent", "gone")} == set(map(host, POOLS))
    assert sum(int(row["active"]) for row in rows) == sum(ACTIVE.values())
    counted = Counter(
        {row["value"]: int(row["count"]) for row in cluster.exports.rows(Facets()) if row["facet"] == "state"}
    )
    assert (counted["SUCCESS"], counted["FAILURE"]) == (sum(SUCCEEDED.values()), len(POOLS))


@pool
def test_the_pool_of_a_worker(cluster: Cluster, pool: str) -> None:
    [row] = asked(cluster, "stats", pool)
    processes = psutil.Process(cluster.processes[pool].pid).children(recursive=True)
    assert row["pool"] == pool
    assert int(row["pid"]) == cluster.processes[pool].pid
    assert int(row["concurrency"]) == {"prefork": 2, "threads": 2, "solo": 1, "gevent": 10}[pool]
    assert int(row["prefetch_count"]) > 0
    assert (row["autoscale_min"], row["autoscale_max"]) == (("2", "2") if pool == "prefork" else ("", ""))
    if pool == "prefork":
        assert set(json.loads(row["pool_details"])["processes"]) <= {process.pid for process in processes}


@pool
def test_the_broker_of_a_worker(cluster: Cluster, pool: str) -> None:
    [row] = asked(cluster, "stats", pool)
    broker = json.loads(row["broker"])
    assert broker["transport"] == {"redis": "redis", "amqp": "amqp"}[cluster.transport]
    assert broker["hostname"] == "127.0.0.1"
    assert "password" not in broker


@pool
def test_the_queues_of_a_worker(cluster: Cluster, pool: str) -> None:
    [row] = asked(cluster, "active_queues", pool)
    told = {
        name: row[name]
        for name in ("queue", "exchange", "routing_key", "durable", "exclusive", "auto_delete", "no_ack")
    }
    names = dict.fromkeys(("queue", "exchange", "routing_key"), pool)
    assert told == {**names, "durable": "true", "exclusive": "false", "auto_delete": "false", "no_ack": "false"}


@pool
def test_the_tasks_of_a_worker(cluster: Cluster, pool: str) -> None:
    [stats] = asked(cluster, "stats", pool)
    assert json.loads(stats["total"]) == PROCESSED[pool]
    active = asked(cluster, "active", pool)
    assert {row["id"] for row in active} == cluster.active.get(pool, set())
    assert {(row["name"], row["args"], row["acknowledged"]) for row in active} <= {("shop.sleep", "(600.0,)", "true")}
    assert all(row["worker_pid"] for row in active)
    assert all(datetime.fromisoformat(row["time_start"]) < datetime.now(UTC) for row in active)
    held = {row["id"] for row in asked(cluster, "reserved", pool)}
    assert held == (cluster.reserved if pool == "threads" else set())
    waits = [(row["id"], row["name"], row["args"]) for row in asked(cluster, "scheduled", pool)]
    assert waits == ([(cluster.scheduled, "shop.add", "[1, 2]")] if pool == "prefork" else [])
    assert [row["id"] for row in asked(cluster, "revoked", pool)] == [cluster.revoked]


@pool
def test_the_limits_of_a_worker(cluster: Cluster, pool: str) -> None:
    limits = {row["task"]: row["attributes"] for row in asked(cluster, "registered", pool)}
    assert limits == {
        **dict.fromkeys(("shop.fail", "shop.retry", "shop.refresh_token", "shop.wait_for"), ""),
        "shop.add": f"soft_time_limit={SOFT_SECONDS} time_limit={HARD_SECONDS}",
        "shop.sleep": "rate_limit=100/s",
    }


@pool
def test_the_configuration_of_a_worker(cluster: Cluster, pool: str) -> None:
    settings = {row["setting"]: row["value"] for row in asked(cluster, "conf", pool)}
    assert (settings["task_send_sent_event"], settings["task_serializer"]) == ("true", "json")
    assert "guest:" not in settings["broker_url"]


@pool
def test_the_use_of_the_system_by_a_worker(cluster: Cluster, pool: str) -> None:
    [row] = asked(cluster, "stats", pool)
    usage = json.loads(row["rusage"])
    assert usage["utime"] > 0
    assert usage["maxrss"] > 0


@pool
def test_what_else_a_worker_tells(cluster: Cluster, pool: str) -> None:
    [row] = asked(cluster, "stats", pool)
    running = datetime.now(UTC).timestamp() - psutil.Process(cluster.processes[pool].pid).create_time()
    assert 0 <= int(row["uptime"]) <= running
    assert int(row["clock"]) > 0


# --- tasks ------------------------------------------------------------------------------------------------------


@pool
def test_the_table_of_tasks(cluster: Cluster, pool: str) -> None:
    rows = {row["id"]: row for row in cluster.exports.rows(Tasks(TaskFilter(workers=(host(pool),)), limit=100))}
    done = cluster.done[pool]
    told = ("name", "state", "args", "kwargs", "result", "retries", "exception", "worker", "queue", "routing_key")
    where = (host(pool), pool, pool)
    expected = {
        done.added: ("shop.add", "SUCCESS", "(2, 3)", "{}", "5", "0", "", *where),
        done.failed: ("shop.fail", "FAILURE", "()", "{'password': '********'}", "", "0", "KeyError('sku')", *where),
        done.retried: ("shop.retry", "SUCCESS", "()", "{}", "None", "1", "", *where),
    }
    assert {id: tuple(rows[id][name] for name in told) for id in expected} == expected
    for id in (done.added, done.retried):
        sent, received, started, finished = (moment(rows[id][at]) for at in ("sent", "received", "started", "finished"))
        assert max(sent, received) <= started + timedelta(seconds=30)  # a client may be slow to note what it sent
        # a worker may be slow to note that its child began, and the child alone measures the runtime
        assert float(rows[id]["runtime"]) <= (finished - started).total_seconds() + 30
    [waits] = cluster.exports.rows(Tasks(TaskFilter(search=f"id:{cluster.scheduled}")))
    assert timedelta(minutes=59) < moment(waits["eta"]) - moment(waits["sent"]) < timedelta(minutes=61)
    [revoked] = cluster.exports.rows(Tasks(TaskFilter(states=("REVOKED",))))
    assert (revoked["id"], revoked["worker"], bool(revoked["finished"])) == (cluster.revoked, host("prefork"), True)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_sorting_and_the_pages_of_tasks(cluster: Cluster) -> None:
    for sort in ("received", "-received", "started", "-started", "runtime", "-runtime"):
        rows = cluster.exports.rows(Tasks(sort=sort, limit=100))
        values = [float(row["runtime"]) if "runtime" in sort else moment(row[sort.lstrip("-")]) for row in rows]
        assert values == sorted(values, reverse=sort.startswith("-"))
    whole = cluster.exports.rows(Tasks(limit=100))
    first = cluster.exports.json(Tasks(limit=5))
    assert [row["id"] for row in first["rows"]] == [row["id"] for row in whole[:5]]
    second = json.loads(cluster.exports.get(f"/export.json?{first['meta']['next']}"))
    assert [row["id"] for row in second["rows"]] == [row["id"] for row in whole[5:10]]


def test_the_states_of_tasks(cluster: Cluster) -> None:
    assert listed(cluster, states=("STARTED",)) == cluster.active["threads"] | cluster.active["gevent"]
    assert listed(cluster, states=("FAILURE",)) == cluster.everywhere("failed")
    assert listed(cluster, states=("RECEIVED",)) == {*cluster.reserved, cluster.scheduled}
    assert listed(cluster, states=("SUCCESS",)) == {
        cluster.child,
        *cluster.everywhere("added"),
        *cluster.everywhere("retried"),
    }


def test_the_search_for_tasks(cluster: Cluster) -> None:
    failed, retried = cluster.everywhere("failed"), cluster.everywhere("retried")
    running = cluster.active["threads"] | cluster.active["gevent"]
    assert searched(cluster, "name:shop.fail") == failed
    assert searched(cluster, "SHOP.FAIL") == failed
    assert searched(cluster, "state:failure") == failed
    assert searched(cluster, "kwargs:password") == failed
    assert searched(cluster, "sku") == failed
    assert searched(cluster, 'args:"(2, 3)" result:5') == cluster.everywhere("added")
    assert searched(cluster, "name:shop.fail OR name:shop.retry") == failed | retried
    assert searched(cluster, "(name:shop.fail OR name:shop.retry) AND worker:solo") == {
        cluster.done["solo"].failed,
        cluster.done["solo"].retried,
    }
    assert searched(cluster, "name:shop.sleep state:STARTED") == running
    assert searched(cluster, f"id:{cluster.child}") == {cluster.child}
    assert searched(cluster, "worker:gevent NOT state:SUCCESS") == {
        cluster.done["gevent"].failed,
        *cluster.active["gevent"],
    }
    with pytest.raises(HTTPError, match="400"):
        searched(cluster, '"open')


@pool
def test_the_page_of_a_task(cluster: Cluster, pool: str) -> None:
    [failed] = cluster.exports.rows(Task(cluster.done[pool].failed))
    assert (failed["name"], failed["state"], failed["exception"]) == ("shop.fail", "FAILURE", "KeyError('sku')")
    assert failed["kwargs"] == "{'password': '********'}"
    assert "raise KeyError" in failed["traceback"]
    [retried] = cluster.exports.rows(Task(cluster.done[pool].retried))
    assert (retried["state"], retried["retries"], retried["result"]) == ("SUCCESS", "1", "None")


def test_the_family_of_a_task(cluster: Cluster) -> None:
    parent = cluster.done["prefork"].added
    rows = {row["id"]: (row["root"], row["parent"]) for row in cluster.exports.rows(Family(cluster.child))}
    assert rows == {parent: ("", ""), cluster.child: (parent, parent)}


# --- the broker -------------------------------------------------------------------------------------------------


def test_the_queues_of_the_broker(cluster: Cluster) -> None:
    rows = {row["queue"]: row for row in cluster.exports.rows(Depths())}
    told = {
        name: tuple(row[column] for column in ("ready", "unacked", "consumers"))
        for name, row in rows.items()
        if row["internal"] == "false"
    }
    assert told == {
        "forgotten": (str(FORGOTTEN), "0", "0"),
        "prefork": ("0", "1", "1"),
        "threads": ("0", "2", "1"),
        "solo": ("0", "0", "1"),
        "gevent": ("0", "0", "1"),
    }


# --- the API ----------------------------------------------------------------------------------------------------


def test_the_api_of_workers(cluster: Cluster) -> None:
    for method in ("stats", "active_queues", "registered", "conf"):
        told = cluster.exports.json(Inspect(method))
        assert {row["worker"] for row in told["rows"]} == set(map(host, POOLS))
        assert datetime.now(UTC) - moment(told["meta"]["measured_at"]) < timedelta(minutes=2)


def test_the_status_of_workers(cluster: Cluster) -> None:
    answering = dict.fromkeys(map(host, POOLS), True)
    wait_until(
        lambda: {row["worker"]: answers(row) for row in cluster.exports.rows(Workers())} == answering, "all four"
    )


def answers(row: Row) -> bool:
    return row["verdict"] in ("working", "idle")


@pool
def test_the_api_of_one_worker(cluster: Cluster, pool: str) -> None:
    for method in METHODS:
        if method != "query_task":
            assert {row["worker"] for row in asked(cluster, method, pool)} <= {host(pool)}


def test_the_api_of_a_worker_that_nobody_knows(cluster: Cluster) -> None:
    told = cluster.exports.json(Inspect("stats", ("nobody@shop",)))
    assert told["rows"] == []
    assert "nobody@shop did not answer" in [note["text"] for note in told["meta"]["notes"]]
    headers = cluster.exports.headers("/export.csv?source=inspect&q=stats&worker=nobody@shop")
    assert headers["X-Notes"] == "warning: nobody@shop did not answer; warning: No worker answered"


def test_the_api_of_tasks(cluster: Cluster) -> None:
    threads = host("threads")
    chosen = {"workers": (threads,), "names": ("shop.sleep",), "states": ("RECEIVED",)}
    assert listed(cluster, **chosen) == cluster.reserved
    assert len(cluster.exports.rows(Tasks(limit=3))) == 3
    whole = cluster.exports.rows(Tasks(sort="last", limit=100))
    middle = Range(start=moment(whole[2]["last"]), end=moment(whole[5]["last"]))
    assert [row["id"] for row in cluster.exports.rows(Tasks(sort="last"), middle)] == [row["id"] for row in whole[2:6]]


def test_the_types_of_tasks(cluster: Cluster) -> None:
    seen = {"shop.add", "shop.fail", "shop.retry", "shop.sleep"}
    assert {row["value"] for row in cluster.exports.rows(Facets()) if row["facet"] == "name"} == seen
    assert {row["name"] for row in cluster.exports.rows(TaskNames())} == seen


def test_the_lengths_of_queues(cluster: Cluster) -> None:
    told = {row["queue"]: row["ready"] for row in cluster.exports.json(Depths(("forgotten", "solo")))["rows"]}
    assert told == {"forgotten": FORGOTTEN, "solo": 0}


@pool
def test_the_api_of_one_task(cluster: Cluster, pool: str) -> None:
    [told] = cluster.exports.json(Task(cluster.done[pool].added))["rows"]
    names = ("name", "args", "kwargs", "state", "result", "worker", "queue", "retries", "exception", "traceback", "eta")
    assert {name: told[name] for name in names} == {
        **dict.fromkeys(("exception", "traceback", "eta")),
        "worker": host(pool),
        "queue": pool,
        "name": "shop.add",
        "args": "(2, 3)",
        "kwargs": "{}",
        "state": "SUCCESS",
        "result": "5",
        "retries": 0,
    }
    assert cluster.exports.json(Task("nobody"))["rows"] == []


def test_the_result_of_a_task(cluster: Cluster) -> None:
    results = {(row["state"], row["result"]) for row in cluster.exports.rows(Task(cluster.done["solo"].added))}
    assert results == {("SUCCESS", "5")}
    [running] = cluster.exports.rows(Task(next(iter(cluster.active["gevent"]))))
    assert (running["state"], running["result"]) == ("STARTED", "")


def test_the_metrics(cluster: Cluster) -> None:
    samples = [s for family in text_string_to_metric_families(cluster.exports.get("/metrics")) for s in family.samples]

    def of(name: str, *labels: str) -> dict[tuple[str, ...], float]:
        told = defaultdict[tuple[str, ...], float](float)
        for sample in samples:
            if sample.name == name:
                told[tuple(sample.labels.get(label, "") for label in labels)] += sample.value
        return {key: value for key, value in told.items() if value}

    by_worker = {(host(pool),): float(count) for pool, count in SUCCEEDED.items()}
    assert of("celery_task_succeeded_total", "worker") == by_worker
    assert of("celery_task_runtime_count", "worker") == by_worker
    assert of("celery_task_failed_total", "name", "exception") == {("shop.fail", "KeyError"): len(POOLS)}
    assert of("celery_task_retried_total", "name") == {("shop.retry",): len(POOLS)}
    assert of("celery_task_received_total", "name")["shop.sleep",] == 5
    assert of("celery_task_started_total", "name")["shop.sleep",] == 3
    assert of("celery_worker_up", "worker") == {(host(pool),): 1 for pool in POOLS}
    assert of("celery_worker_tasks_active", "worker") == {(host(pool),): n for pool, n in ACTIVE.items() if n}
    assert of("celery_queue_length", "queue_name") == {("forgotten",): FORGOTTEN}


def test_the_healthcheck(cluster: Cluster) -> None:
    told = json.loads(cluster.exports.get("/healthz"))
    assert told["status"] == "ok"
    states = {source["name"]: source["state"] for source in told["sources"]}
    brokers = {"redis": ["redis"], "amqp": ["amqp", "rabbitmq management"]}[cluster.transport]
    assert states == {
        **dict.fromkeys(brokers, "ok"),
        "workers": "ok",
        "prometheus": "off",
        "recorder": "ok",
    }


def test_nothing_here_changes_a_cluster(cluster: Cluster) -> None:
    """As long as nobody is said to be an operator; what happens then stands in tests/test_flower_control.py."""
    assert not KINDS.keys() & set(METHODS)
    for order in KINDS:
        with pytest.raises(HTTPError, match="400"):
            cluster.exports.get(f"/export.json?source=inspect&q={order}")
        for person in (NOBODY, ANN):
            status, answer = cluster.exports.post(order, {"dry_run": True, "workers": [host("solo")]}, person)
            assert status == 404
            assert "docs/access.md" in answer["error"]["message"]
    with pytest.raises(HTTPError, match="405"):
        urlopen(Request(f"http://127.0.0.1:{cluster.exports.port}/export.json", b"{}"), timeout=60)
    assert {row["worker"] for row in cluster.exports.rows(Inspect("ping"))} == set(map(host, POOLS))
