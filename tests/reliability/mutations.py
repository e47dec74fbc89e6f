"""Notebook files and links, broken in every way that comes to mind: each is read, or refused by name.

While they are, Python's own audit hook tells of every file, folder, process and address that is touched. None may be,
but the examples and the workspace; and what is kept there may not change.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch
from urllib.parse import parse_qs, parse_qsl, urlencode

from cells import page_view
from cells.exploration import Exploration
from data_sources import ask
from data_sources.config import Secret, Settings
from data_sources.errors import BadParameter, QueryRejected
from data_sources.fields import ReadFields
from notebooks.editing.editor import open_notebook
from notebooks.error import NotebookError
from notebooks.examples import FOLDER, examples
from notebooks.notebook import Ask, Notebook, Prose
from notebooks.prose import tree
from notebooks.text import file, link
from notebooks.variables import chosen, query
from routes.export_request import Export
from tests.watching import unwatched
from workspace import drafts, notebooks, opened, snapshots
from workspace.store import Workspace

REFUSALS = (NotebookError, BadParameter, QueryRejected)
TOUCHING = {"open", "sqlite3.connect", "import", "exec"}
TOUCHING_FOLDERS = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "urllib.")
MOST_TOLD = 20

HOSTILE = (
    *("../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "..\\", "%2e%2e%2f", "\x00", "\ud800", "\u202e"),
    *("<script>alert(1)</script>", "{{7*7}}", "${x}", "$queue", "$$", "`", "```", "~~~", "+++", "'''", '"""', "\\"),
    *("shutdown", "audit", "os.system", "__class__", "read_csv('/etc/passwd')", "; DROP TABLE notebooks", "1e999"),
    *("9" * 400, "[" * 3_000, "{a=" * 500, "a." * 900, "*" * 2_000, "> " * 500, "﷽", "é", "\r\n", "\n", "\t", "=", "&"),
    *("[[row]]", "[beside.x]", "[variables.x]", "source", "<!-- text -->", 'collapsed="yes"', "celery_notebook = 2"),
    *("![x](http://evil/x.png)", "[x](javascript:alert(1))", "nan", "", " ", "#", "'", '"', "-1"),
    *("\ufeff", "%00", "%ff", "&text=a"),
)  # fmt: skip


@dataclass
class Mutated:
    """`faults`: what was raised that is no refusal; `touched`: what was read or begun that may not be; `kept`: nothing
    in the workspace changed; `slowest_seconds`: the processor time of the one that took the most.
    """

    taken: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    kept: bool = True
    slowest_seconds: float = 0.0

    @property
    def missed(self) -> bool:
        return bool(self.faults or self.touched) or not (self.taken and self.refused and self.kept)

    def count(self, take: Callable[[str], bool], text: str) -> None:
        began = time.thread_time()
        try:
            if take(text):
                self.taken += 1
            else:
                self.refused += 1
        except Exception as error:
            self.faults.append(f"{type(error).__name__}: {error} of {text!r}"[:2_000])
        self.slowest_seconds = max(self.slowest_seconds, time.thread_time() - began)


def mutated_notebooks(count: int, seed: int = 0) -> Mutated:
    """Files, each read, looked through as its page does, and written again."""
    random, counted = Random(seed), Mutated()
    originals = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))]
    assert all(map(take_file, originals))
    with watched(counted.touched, [FOLDER]):
        for _ in range(count):
            counted.count(take_file, broken(random.choice(originals), originals, random))
    return counted


def take_file(text: str) -> bool:
    return took(lambda: look_through(text))


def look_through(text: str) -> None:
    notebook = file.read(text)
    look_at(notebook, {})
    written = file.write(notebook)
    again = file.read(written)
    if again != notebook or file.write(again) != written:
        raise AssertionError("what is written does not read the same")


def look_at(notebook: Notebook, fields: dict[str, list[str]]) -> None:
    """What cannot be asked is refused in its own cell."""
    values = chosen(notebook.variables, fields, "default")
    for cell in notebook.cells:
        match cell:
            case Prose(text=text):
                tree(text)
            case Ask(rows=rows):
                for layer in (layer for row in rows for layer in row.layers):
                    took(lambda layer=layer: query(layer, values))  # type: ignore[misc]


def took(step: Callable[[], object]) -> bool:
    try:
        step()
    except REFUSALS:
        return False
    return True


def mutated_links(count: int, seed: int = 0) -> Mutated:
    """Links to notebooks of every kind, and to exports, each followed as far as its page is from asking a source."""
    random, counted = Random(seed), Mutated()
    with tempfile.TemporaryDirectory() as name:
        opened.start(Settings(history_url=Secret(f"sqlite://{name}/histories")))
        desk = unwatched({})
        try:
            urls, texts = links(opened.opened()), [file.write(notebook) for notebook in short()]
            with patch.object(ask, "_desk", desk):
                assert [url for url in urls if not take_link(url)] == []
            before = kept()
            with patch.object(ask, "_desk", desk), watched(counted.touched, [FOLDER, Path(name)]):
                for _ in range(count):
                    inside = random.random() < 0.3
                    url = deflated(broken(random.choice(texts), texts, random)) if inside else random.choice(urls)
                    counted.count(take_link, url if inside else broken(url, urls, random))
            counted.kept = kept() == before
        finally:
            desk.stop()
            opened.stop()
    return counted


def links(workspace: Workspace) -> list[str]:
    """The query strings of links that can be followed."""
    whole = examples()["why-is-the-queue-growing"]
    text, shared = file.write(whole), {"range": "6h", "refresh": "10", "cluster": "default"}
    saved = notebooks.save(workspace, text, title="Why", author="ana", cells=1, thresholds=1, identified=False)
    draft = drafts.keep_draft(workspace, text, title="Why", owner="ana", identified=False)
    life = timedelta(days=1)
    sealed = snapshots.keep(
        workspace, b"-", title="Why", made_by="ana", link="/", answers=1, life=life, identified=False
    )
    frozen = {"from": "2026-03-01T10:00:00+00:00", "to": "2026-03-01T11:00:00+00:00"}
    asked = [layer.params for cell in whole.cells if isinstance(cell, Ask) for row in cell.rows for layer in row.layers]
    given: list[Mapping[str, object]] = [
        *({"text": link.write(notebook), **shared} for notebook in short()),
        *({"add": link.write_cell(cell), **frozen} for cell in whole.cells),
        *({"example": name, **shared} for name in examples()),
        {"id": saved.id, "revision": "1", "var-queue": ["mail", "images"], **frozen},
        {"id": saved.id, "snapshot": sealed.id},
        {"q": ["up", "sum(rate(a[5m]))"], "off": "B", "chart": "points", "explain": "A", **shared},
        {"draft": draft.id, "var-queue": "", **shared},
        *({**dict(params), **frozen, "step": "15s", "shape": "tidy"} for params in asked),
        {"source": "promql", "q": "up", "step": "15s", "shape": "wide", **frozen},
        {"source": "promql", "q": 'sum by (a) (rate(x{b=~"c|d"}[5m])) > 0', "instant": "1", **shared},
        {"source": "inspect", "q": "query_task", "id": ["a", "b"], "worker": "w@h"},
        {"source": "tasks", "rows": "all", "progress": "abcd-efgh", "range": "1h", "snapshot": sealed.id},
        {"source": "tasks", "search": "(a or not b) name:c", "state": "FAILURE", "sort": "-runtime", "limit": "20"},
    ]
    return [urlencode(fields, doseq=True) for fields in given]


def short() -> list[Notebook]:
    """Of each example as many cells as go into a link."""
    return [Notebook(one.title, one.range, one.variables, one.cells[:8]) for one in examples().values()]


def deflated(text: str) -> str:
    try:
        return urlencode({"text": link.packed(text)})
    except (NotebookError, UnicodeEncodeError):  # too long, or no text that a link could hold
        return "text=a"


def take_link(url: str) -> bool:
    fields = parse_qs(url, keep_blank_values=True)
    first = {name: values[0] for name, values in fields.items()}
    page_view.read(first, ("default", "other"))
    if "snapshot" in first:
        took(lambda: snapshots.body(opened.opened(), first["snapshot"]))
    if "source" in fields:
        return took(lambda: Export.from_fields(ReadFields(parse_qsl(url, keep_blank_values=True))))
    if "q" in fields:
        return took(lambda: Exploration.from_fields(fields).queries)
    return took(lambda: look_at(open_notebook(fields).now, fields))


def kept() -> list[object]:
    there = opened.opened()
    return [*notebooks.listed(there), *drafts.drafts_of(there, "ana"), *snapshots.listed(there)]


def broken(text: str, others: Sequence[str], random: Random) -> str:
    """`text` after one to four mutations."""
    for _ in range(random.choice((1, 1, 2, 4))):
        text = random.choice(MUTATIONS)(text, others, random)
    return text


def changed(text: str, others: Sequence[str], random: Random) -> str:
    start, end = part(text, random)
    return text[:start] + random.choice(HOSTILE) + text[end:]


def inserted(text: str, others: Sequence[str], random: Random) -> str:
    place = random.randint(0, len(text))
    return text[:place] + random.choice((*HOSTILE, chr(random.randrange(0x11_0000)))) + text[place:]


def flipped(text: str, others: Sequence[str], random: Random) -> str:
    place = random.randrange(len(text)) if text else 0
    return text[:place] + chr(random.randrange(128)) + text[place + 1 :]


def cut(text: str, others: Sequence[str], random: Random) -> str:
    start, end = part(text, random)
    return text[:start] + text[end:]


def repeated(text: str, others: Sequence[str], random: Random) -> str:
    start, end = part(text, random)
    return text[:end] + text[start:end] * random.choice((1, 1, 2, 50)) + text[end:]


def shuffled(text: str, others: Sequence[str], random: Random) -> str:
    mark = random.choice("\n&= ")
    pieces = text.split(mark)
    one, other = random.randrange(len(pieces)), random.randrange(len(pieces))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return mark.join(pieces)


def spliced(text: str, others: Sequence[str], random: Random) -> str:
    other = random.choice(others)
    return text[: random.randint(0, len(text))] + other[random.randint(0, len(other)) :]


def part(text: str, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(text))
    return start, min(len(text), start + random.choice((1, 3, 20, 200)))


MUTATIONS = (changed, inserted, flipped, cut, repeated, shuffled, spliced)


@contextmanager
def watched(touched: list[str], allowed: Sequence[Path]) -> Iterator[None]:
    """Tells into `touched` what is touched besides what lies in the folders `allowed`."""
    folders = tuple(os.fspath(folder) + os.sep for folder in allowed)
    on = True

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if not on or not (event in TOUCHING or event.startswith(TOUCHING_FOLDERS)) or len(touched) >= MOST_TOLD:
            return
        if not (arguments and str(arguments[0]).startswith(folders)):
            touched.append(f"{event} {arguments!r}"[:300])

    sys.addaudithook(hear)  # for as long as Python runs
    try:
        yield
    finally:
        on = False
