"""A notebook run on the server for whoever asks for its file."""

from __future__ import annotations

import csv
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from anyio import CapacityLimiter

import routes.export_notebook
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.blank import blank_frame
from data_sources.config import Secret, Settings
from data_sources.now_frames import worker_frame
from data_sources.query import Query, Workers
from data_sources.scope import Range, Scope, Window
from data_sources.sealed import bundle
from data_sources.sealed import file as sealed_file
from data_sources.sealed.answers import Entry, Place, Sealed
from data_sources.task_query import Tasks
from notebooks.notebook import Ask, Layer, Notebook, Prose, Row, Sql
from notebooks.text import file, link
from notebooks.variable import Variable
from tests.exports import Exports, exports_of
from tests.test_sealed import AT
from tests.watching import unwatched
from workspace import notebooks, snapshots
from workspace import opened as workspace_opened
from workspace.sealed_reader import SealedReader

HOSTILE = "</script><b>"
DEPTHS = Ask("depths", "What waits", "", (Row((Layer((("source", "queues"), ("queue", "$queue")), "table"),)),))
NOTEBOOK = Notebook(
    f"Why {HOSTILE}", variables=(Variable("queue", "queue"),), cells=(Prose("text", f"# It grows {HOSTILE}"), DEPTHS)
)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exports]:
    desk = unwatched({"HISTORY_URL": f"sqlite:///{tmp_path_factory.mktemp('history')}"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("routes.export_notebook.CELL_SECONDS", 0.2)
        with exports_of(desk) as exports:
            yield exports
    desk.stop()


def told(file: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="told">(.*?)</script>', file)
    return json.loads(text)


def test_a_notebook_in_a_link_comes_as_a_file_with_all_its_cells(exports: Exports) -> None:
    file = told(exports.get(f"/export.html?text={quote(link.write(NOTEBOOK))}&var-queue=mail"))

    assert (file["title"], file["line"]) == (f"Why {HOSTILE}", "queue: mail")
    prose, depths = file["pieces"]
    assert prose["tree"] == [{"tag": "h2", "children": [f"It grows {HOSTILE}"]}]
    assert (depths["kind"], depths["name"]) == ("cell", "depths")
    assert depths["rows"][0]["failures"] or depths["pending"]  # nobody watches here


def test_an_answer_that_is_none_is_no_file(exports: Exports) -> None:
    with pytest.raises(HTTPError, match="502"):
        exports.get(f"/export.csv?text={quote(link.write(NOTEBOOK))}&cell=depths")


@pytest.mark.parametrize(
    "params", ["", "id=", "text=none", "example=none", "example=which-task-eats-the-memory&var-none=1"]
)
def test_what_is_no_notebook_is_said(exports: Exports, params: str) -> None:
    with pytest.raises(HTTPError, match="400"):
        exports.get(f"/export.html?{params}")


def test_a_cell_that_is_not_there_is_said(exports: Exports) -> None:
    with pytest.raises(HTTPError, match="400"):
        exports.get(f"/export.json?text={quote(link.write(NOTEBOOK))}&cell=text")


def test_the_shell_holds_nothing(exports: Exports) -> None:
    assert told(exports.get("/export.shell.html")) == {"told": None}


def one_question(name: str, source: str, range: Range | None = None) -> Ask:
    return Ask(name, "", "", (Row((Layer((("source", source),), "table"),)),), range=range)


WEEK = Range.live("7d")
HOURS = "SELECT unnest(generate_series(TIMESTAMPTZ '2026-03-01', TIMESTAMPTZ '2026-03-01 02:00', '1 hour')) AS time"
KEPT = Notebook(
    "As it was",
    cells=(
        one_question("now", "workers"),
        one_question("ended", "tasks", WEEK),
        Sql("counted", "", "", "SELECT count(*) AS workers FROM now"),
        Sql("hourly", "", "", f"SELECT *, 'mail' AS queue, 7.0 AS value FROM ({HOURS})", "lines"),
    ),
)
SINCE = replace(KEPT, cells=(*KEPT.cells[:2], Sql("counted", "", "", "SELECT 99 AS workers FROM now"), *KEPT.cells[3:]))


def sealed() -> Sealed:
    """A page of `KEPT`, with two workers and no task."""

    def entry(query: Query, length: timedelta, answer: Answer) -> Entry:
        window = Window(AT - length, AT, timedelta(seconds=30))
        return Entry(query, Place("default", "redis", Range(span=length), window), replace(answer, measured_at=AT))

    unknown = dict.fromkeys(worker_frame().columns)
    workers = worker_frame([{**unknown, "worker": name, "last_seen": AT} for name in ("w1", "w2")])
    now = entry(Workers(), timedelta(hours=1), Answer(workers, Workers()))
    ended = entry(Tasks(), timedelta(days=7), Answer(blank_frame(Tasks()), Tasks()))
    return Sealed("As it was", "/notebook", "", AT, (now, ended), file.write(KEPT))


@dataclass(frozen=True)
class Looked:
    """What names the notebook that was kept, and who answers."""

    params: str
    exports: Exports

    def get(self, kind: str, more: str) -> str:
        return self.exports.get(f"/export.{kind}?{self.params}&{more}")


@contextmanager
def serving(folder: Path, kept: Sealed | None = None) -> Iterator[tuple[Desk, Exports]]:
    settings = Settings(history_url=Secret(f"sqlite://{folder}"))
    desk = Desk(bundle.settings_for(kept, settings, str(folder)) if kept else settings, kept)
    workspace_opened.start(desk.settings)
    try:
        with exports_of(desk) as exports:
            yield desk, exports
    finally:
        desk.stop()
        workspace_opened.stop()


def saved(notebook: Notebook, id: str = "") -> str:
    text, more = file.write(notebook), {"cells": len(notebook.cells), "thresholds": 0, "identified": False}
    of = {"id": id, "based_on": 1} if id else {}
    return notebooks.save(workspace_opened.opened(), text, title=notebook.title, author="", **more, **of).id  # type: ignore[arg-type]


@pytest.fixture(params=["snapshot", "bundle"])
def looked(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    """A notebook that was saved, kept with its answers, and changed since; a bundle lies where it never was."""
    monkeypatch.setattr("routes.export_notebook.CELL_SECONDS", 120.0)  # SQL is worked out, however slow this is
    monkeypatch.setattr("routes.export_notebook.WHOLE_SECONDS", 120.0)
    if request.param == "bundle":
        with serving(tmp_path, sealed()) as (_, exports):
            yield Looked("id=elsewhere", exports)
        return
    with serving(tmp_path) as (desk, exports):
        workspace = workspace_opened.opened()
        id, body = saved(KEPT), sealed_file.write(sealed())
        more = {"title": "", "made_by": "", "link": "/notebook", "answers": 2, "identified": False}
        kept = snapshots.keep(workspace, body, life=timedelta(days=7), **more)  # type: ignore[arg-type]
        saved(SINCE, id)
        desk.read_sealed = SealedReader(workspace)
        yield Looked(f"id={id}&snapshot={kept.id}", exports)


def test_what_was_kept_is_a_file_of_the_notebook_as_it_was_then(looked: Looked) -> None:
    assert looked.get("csv", "cell=counted") == "workers\n2\n"
    assert told(looked.get("html", ""))["title"] == "As it was"


def test_a_cell_with_a_range_of_its_own_says_so_in_its_file(looked: Looked) -> None:
    known = json.loads(looked.get("meta.json", "cell=ended&range=1h"))

    assert (known["range"], known["rows"]) == ("7d", 0)


def test_of_sql_too_it_is_told_where_more_is_to_be_known(looked: Looked) -> None:
    headers = looked.exports.headers(f"/export.csv?{looked.params}&cell=counted&range=1h&tz=UTC")
    described = re.fullmatch('<(/export[.]meta[.]json[?].*)>; rel="describedby"', headers["Link"])

    assert described
    assert json.loads(looked.exports.get(described[1]))["rows"] == 1
    assert headers["X-Ignored-Parameters"] == "tz"


def test_a_cell_takes_a_shape_and_a_step_or_says_what_is_wrong_with_them(looked: Looked) -> None:
    rows = [*csv.reader(looked.get("csv", "cell=hourly&shape=wide").splitlines())]

    assert rows[0] == ["time", '{queue="mail"}']
    assert [row[1] for row in rows[1:]] == ["7"] * 3
    assert json.loads(looked.get("meta.json", "cell=counted&step=5m"))["rows"] == 1
    for wrong in ("cell=hourly&shape=round", "cell=counted&shape=wide", "cell=counted&step=soon", "step=1s&range=1d"):
        with pytest.raises(HTTPError, match="400"):
            looked.get("csv", f"cell=counted&{wrong}" if wrong.startswith("step") else wrong)


def test_who_has_to_wait_too_long_for_a_turn_is_told(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    whole_file = routes.export_notebook.whole_file

    def slow(*given: Any) -> Any:
        begun.set()
        goes_on.wait(120)
        return whole_file(*given)

    monkeypatch.setattr("routes.export_notebook.whole_file", slow)
    monkeypatch.setattr("routes.export_notebook.LANES", CapacityLimiter(1))
    address = f"/export.html?text={quote(link.write(NOTEBOOK))}"
    with ThreadPoolExecutor(1) as other:
        first = other.submit(exports.get, address)
        try:
            assert begun.wait(120)
            monkeypatch.setattr("routes.export_notebook.WAIT_SECONDS", 0.2)
            with pytest.raises(HTTPError, match="502") as refused:
                exports.get(address)
        finally:
            goes_on.set()
        assert "busy" in refused.value.read().decode()
        assert told(first.result())["title"] == NOTEBOOK.title


def test_no_cell_of_a_whole_file_is_waited_for_beyond_the_files_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def ask(query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        waits.append(wait_seconds)
        return Answer(blank_frame(query), query)

    monkeypatch.setattr("routes.export_notebook.CELL_SECONDS", 60.0)
    monkeypatch.setattr("routes.export_notebook.WHOLE_SECONDS", 10.0)
    with serving(tmp_path) as (desk, exports):
        monkeypatch.setattr(desk, "ask", ask)
        file = told(exports.get(f"/export.html?text={quote(link.write(NOTEBOOK))}"))
        with pytest.raises(HTTPError, match="502") as late:
            exports.get(f"/export.csv?text={quote(link.write(NOTEBOOK))}&cell=depths")

    assert file["pieces"][1]["pending"]
    assert json.load(late.value)["error"]["what"] == "gave no answer in time"
    assert 0 < max(waits) <= 10
