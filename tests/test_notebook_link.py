"""A notebook whole in a link: it opens for ever, and no link inflates to more than a file may hold."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import assume, given

from data_sources.scope import Range
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Layer, Notebook, Prose, Row, Threshold
from notebooks.text import link
from notebooks.variable import Variable
from tests import notebook_values

NOW = Ask("now", "", "", (Row((Layer((("source", "queues"), ("queue", "$queue")), "table"),)),), "queues.queues")
MAIL = Notebook(
    "Mail",
    Range.live("6h"),
    (Variable("queue", "queue", ("mail",)),),
    (Prose("text", "Why? 🤔"), NOW, Threshold("short", "", "now", "ready", "max", "<", 1000.0)),
)
# As version 1 wrote them.
LINK_A = (
    "aLY47bsMwEET7PQWxcCcgkJtUEXKC1CkMI1pL65AwPwk_tnWP9G58QB_BXEYVZ8jBe-y6Dia2HJcvHzIfQjipQW0hm2y5JvwgYxE"
    "i-e9WXzUC7M4UDR0sp5ffwoX3cDJ-ludWEWY-UrG53uzQCWAPXRXBp17e1eN2_wMYx7GNk_LkeEAfLqgmTTEPmIWN6mz4MvwjV1F"
    "CaKeoNqurghot68hJBzuvwJpjRghHGQsdpmCL81Ij07wgOKZUYqM5utbtj8Q3BGuckd9v-75vgic"
)
CELL_A = "aS0hIKCxNLU0tVshLzE21VcrLL1dSSM5ILCqxVSpJTMpJVVIoy0wtt1WCqNKDUEpcYFrBVkFJBcxS4kpISAAA"


def test_links_that_were_made_open() -> None:
    assert link.read(LINK_A) == MAIL
    assert link.read_cell(CELL_A) == NOW


@given(notebook_values.notebooks)
def test_a_notebook_survives_its_link(notebook: Notebook) -> None:
    try:
        text = link.write(notebook)
    except NotebookError as error:
        assume("too long for a link" not in error.message)
        raise
    assert quote(text, safe="") == text
    assert link.read(text) == notebook


@given(notebook_values.cells)
def test_a_cell_survives_its_link(cell: Cell) -> None:
    assert link.read_cell(link.write_cell(cell)) == cell


def test_what_is_too_long_for_a_link_is_to_be_saved() -> None:
    long = Prose("text", " ".join(f"{number * number:x}" for number in range(3_000)))

    with pytest.raises(NotebookError, match=r"too long for a link, .* characters of 6,000; save it"):
        link.write(Notebook("Long", cells=(long,)))


def deflated(data: bytes) -> str:
    return "a" + urlsafe_b64encode(zlib.compress(data, 9, -zlib.MAX_WBITS)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "or it is none"),
        ("b" + LINK_A[1:], "a newer Celery Notebook made this link"),
        ("a", "breaks off"),
        (LINK_A[:-8], "breaks off"),
        (LINK_A + "AAAA", "breaks off, or holds too much"),
        ("aé", "damaged"),
        (LINK_A[:40] + "\n" + LINK_A[40:], "damaged"),
        (LINK_A + "A" * 6_000, "damaged"),
        (deflated(b"\xff\xfe"), "damaged"),
        (deflated(b"x" * 4_000_000), "holds too much"),
        (deflated(b"+++\ncelery_notebook = 2\n+++\n"), "line 2: a newer Celery Notebook wrote this"),
        (deflated(b"# hello"), "line 1: a notebook begins with"),
    ],
)
def test_what_is_no_link_is_refused(text: str, says: str) -> None:
    with pytest.raises(NotebookError) as refused:
        link.read(text)

    assert says in str(refused.value)


def test_a_link_to_a_cell_holds_one() -> None:
    for cells in ("", 'a\n\n```queues name="x" chart="table"\n```'):
        with pytest.raises(NotebookError, match="no cell, or several"):
            link.read_cell(deflated(cells.encode()))
