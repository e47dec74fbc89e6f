"""A notebook's file: what is written reads the same, and what cannot be read says where and why."""

from __future__ import annotations

import pytest
from hypothesis import given

from data_sources.scope import Range
from notebooks.error import NotebookError
from notebooks.notebook import MAX_CELLS, MAX_QUESTIONS, Ask, Layer, Notebook, Prose, Row, Sql, Threshold
from notebooks.text.file import read, write
from notebooks.variable import Variable
from tests.notebook_values import notebooks
from workspace.notebooks import MOST_BYTES

FILE = """\
+++
celery_notebook = 1
title = 'The queue "mail"'
range = "6h"

[variables.queue]
kind = "queue"
default = ["mail"]
+++

# Why does it grow?

Because more comes than `workers` take:

```sql
SELECT 1  -- shown, not run
```

```promql name="depth" title="What waits" line="Rising?" chart="lines" label="waiting"
sum by (queue_name) (celery_queue_length{queue_name=~"$queue"})
```

```queues name="now" chart="table" view="queues.queues" range="15m"
queue = "$queue"
```

```table name="workers" title="Who works" view="workers.workers"
source = "workers"

[beside.throughput]
source = "history"
q = "throughput"
by = "worker"
```

```plot name="flow" title="What flows" collapsed="yes"
[[row]]
advice = "Failures are in it."
label = "tasks / s"
chart = "stacked"
source = "history"
q = "throughput"
by = "queue"

[[row.over]]
label = "failed"
chart = "failed"
source = "history"
q = "failures"

[[row]]
label = "waits"
chart = "lines"
source = "promql"
q = '''
max by (queue) (
  waits{kind="a"}
)'''
```

Now in one table,

<!-- text collapsed -->

and in a second thought.

```sql name="worst"
SELECT queue, ready
FROM now
ORDER BY ready DESC
```

```threshold name="short" title="Nothing waits for long"
of = "worst"
column = "ready"
measure = "max"
op = "<"
limit = 1000
```
"""
VALUE = Notebook(
    'The queue "mail"',
    Range.live("6h"),
    (Variable("queue", "queue", ("mail",)),),
    (
        Prose(
            "text",
            "# Why does it grow?\n\nBecause more comes than `workers` take:\n\n"
            "```sql\nSELECT 1  -- shown, not run\n```",
        ),
        Ask(
            "depth",
            "What waits",
            "Rising?",
            (
                Row(
                    (
                        Layer(
                            (
                                ("source", "promql"),
                                ("q", 'sum by (queue_name) (celery_queue_length{queue_name=~"$queue"})'),
                            ),
                            "lines",
                            "waiting",
                        ),
                    )
                ),
            ),
        ),
        Ask(
            "now",
            "",
            "",
            (Row((Layer((("source", "queues"), ("queue", "$queue")), "table"),)),),
            "queues.queues",
            Range.live("15m"),
        ),
        Ask(
            "workers",
            "Who works",
            "",
            (
                Row(
                    (
                        Layer((("source", "workers"),), "table"),
                        Layer((("source", "history"), ("q", "throughput"), ("by", "worker")), "table", "throughput"),
                    )
                ),
            ),
            "workers.workers",
        ),
        Ask(
            "flow",
            "What flows",
            "",
            (
                Row(
                    (
                        Layer((("source", "history"), ("q", "throughput"), ("by", "queue")), "stacked", "tasks / s"),
                        Layer((("source", "history"), ("q", "failures")), "failed", "failed"),
                    ),
                    "Failures are in it.",
                ),
                Row(
                    (Layer((("source", "promql"), ("q", 'max by (queue) (\n  waits{kind="a"}\n)')), "lines", "waits"),)
                ),
            ),
            collapsed=True,
        ),
        Prose("text_2", "Now in one table,"),
        Prose("text_3", "and in a second thought.", True),
        Sql("worst", "", "", "SELECT queue, ready\nFROM now\nORDER BY ready DESC"),
        Threshold("short", "Nothing waits for long", "worst", "ready", "max", "<", 1000.0),
    ),
)


def around(cells: str, front: str = 'title = "t"') -> str:
    return f"+++\ncelery_notebook = 1\n{front}\n+++\n{cells}\n"


def twelve(number: int) -> str:
    """A cell of as many questions."""
    rows = '[[row]]\nchart = "lines"\nsource = "queues"\n' * 12
    return f'```plot name="x{number}"\n{rows}```'


def test_a_file_reads_as_the_notebook_it_says() -> None:
    assert read(FILE) == VALUE
    assert [cell.name for cell in read(FILE).cells if isinstance(cell, Prose)] == ["text", "text_2", "text_3"]


def test_a_notebook_is_written_in_one_way() -> None:
    assert write(VALUE) == FILE


@given(notebooks)
def test_what_is_written_reads_the_same_and_is_written_the_same(notebook: Notebook) -> None:
    text = write(notebook)

    assert read(text) == notebook
    assert write(read(text)) == text
    assert read(text.replace("\n", "\r\n")) == notebook


def test_what_a_person_writes_otherwise_is_written_the_one_way() -> None:
    by_hand = around('```history   name = "x"\tchart="lines"\nby="queue"\nq = \'depth\'\n```\n\n\n\nEnd  \n\n')

    assert write(read(by_hand)) == around(
        '\n```history name="x" chart="lines"\nby = "queue"\nq = "depth"\n```\n\nEnd', 'title = "t"\nrange = "1h"'
    )


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "begins with a line +++"),
        ("# Hello", 1, "begins with a line +++"),
        ("+++\ncelery_notebook = 1\n", 1, "not closed"),
        ('+++\ntitle = "t"\n+++\n', 1, "celery_notebook = 1 is missing"),
        ("+++\ncelery_notebook = true\n+++\n", 1, "celery_notebook = 1 is missing"),
        ('+++\nnew = "things"\ncelery_notebook = 2\n+++\n', 3, "a newer Celery Notebook wrote this (format 2"),
        ("+++\ncelery_notebook = 1\ntitle = t\n+++\n", 3, "not TOML"),
        (around("", 'title = "t"\nauthor = "me"'), 4, "“author” has no place here"),
        (around("", "title = 1"), 3, "title must be text"),
        (around("", 'range = "soon"'), 3, "range “soon” is not a duration"),
        (around("", 'range = "1h"\nfrom = "2026-01-01"'), 3, 'write range="6h", or from and to'),
        (around("", 'from = "2026-01-01"'), 3, 'write range="6h", or from and to'),
        (around("", "variables = 3"), 3, "variables are tables"),
        (around("", '[variables.x]\nkind = "host"'), 3, "kind must be one of cluster, queue"),
        (around("", '[variables.x]\nkind = "queue"\nvalues = "all"'), 3, "“values” has no place here"),
        (around("", '[variables.x]\nkind = "queue"\ndefault = [1]'), 3, "a variable's values are texts"),
        (around("", '[variables.x]\nkind = "label"\nlabel = "pod"'), 3, "needs a label and the metric"),
        (around("", '[variables.x]\nkind = "label"\nlabel = "a"\nmetric = "up)"'), 3, "needs a label and the metric"),
        (around("a\n\n```js\nb\n"), 7, "not closed; end it with a line ```"),
        (around('```promql name="x" chart="lines"\nup'), 5, "not closed"),
        (around('a\n```promsql name="x" chart="lines"\nup\n```'), 6, "no cell of kind “promsql”"),
        (around('```promql title="x" chart="lines"\nup\n```'), 5, "“” is no name"),
        (around('```promql name="../x" chart="lines"\nup\n```'), 5, "“../x” is no name"),
        (around('```promql name="X" chart="lines"\nup\n```'), 5, "“X” is no name"),
        (around('```promql name="x" name="y" chart="lines"\nup\n```'), 5, "name is given twice"),
        (around('```promql name="x" colour="red" chart="lines"\nup\n```'), 5, "“colour” has no place here"),
        (around('```promql name="x"chart="lines"\nup\n```'), 5, "write pairs such as"),
        (around("```promql name=x\nup\n```"), 5, "write pairs such as"),
        (around('```promql name="\\x"\nup\n```'), 5, "name is not a text in quotes as JSON writes it"),
        (around('```promql name="x" title="a`b" chart="lines"\nup\n```'), 5, "write \\u0060"),
        (around('```promql name="x" title="\\u0000" chart="lines"\nup\n```'), 5, "U+0000"),
        (around('```promql name="x" title="a\\nb" chart="lines"\nup\n```'), 5, "title is more than one line"),
        (around('```promql name="x"\nup\n```'), 5, "chart is missing"),
        (around('```promql name="x" chart="pie"\nup\n```'), 5, "chart must be one of stacked, lines"),
        (around('```promql name="x" chart="lines" collapsed="no"\nup\n```'), 5, "collapsed is “yes”, or left out"),
        (around('```promql name="x" chart="lines"\n```'), 5, "q is empty"),
        (around('```promql name="x" chart="table" view="os.system"\nup\n```'), 5, "view must be one of"),
        (around('```promql name="x" chart="lines" view="queues.queues"\nup\n```'), 5, "a plot has no view"),
        (around('```workers name="x" chart="facts"\n```'), 5, "view must be one of queue.facts"),
        (around('```promql name="x" chart="lines" range="400d"\nup\n```'), 5, "at most 366d"),
        (around('```inspect name="x" chart="table"\nq = "shutdown"\n```'), 5, "q must be one of ping"),
        (around('```audit name="x" chart="table"\n```'), 5, "no cell of kind “audit”"),
        (around('```plot name="x"\n[[row]]\nchart = "lines"\nsource = "audit"\n```'), 5, "begins with its source"),
        (around('```plot name="x"\n[[row]]\nchart = "lines"\n```'), 5, "begins with its source"),
        (around('```queues name="x" chart="table"\nqueue = "a"\nqueu = "b"\n```'), 5, "queu means nothing"),
        (around('```queues name="x" chart="table"\n\nqueue = 5\n```'), 7, 'write queue = "50"'),
        (around('```queues name="x" chart="table"\nsource = "workers"\n```'), 6, "“source” has no place here"),
        (around('```queues name="x" chart="table"\nqueue = \n```'), 6, "not TOML: Invalid value"),
        (around('```queues name="x" chart="table"\nqueue = ["\n```'), 6, "not TOML"),
        (around('```plot name="x"\nrow = 1\n```'), 6, "row is written as tables"),
        (around('```plot name="x"\n[[rows]]\nchart = "lines"\n```'), 6, "“rows” has no place here"),
        (around('```table name="x"\nsource = "queues"\n[beside.Rates]\nsource = "queues"\n```'), 5, "name of its own"),
        (around('```table name="x"\nsource = "queues"\n[beside.rows]\nsource = "queues"\n```'), 5, "name of its own"),
        (around('```sql name="x"\n\n```'), 5, "the SQL is empty"),
        (around('```sql name="x" view="queues.queues"\nSELECT 1\n```'), 5, "“view” has no place here"),
        (around('```threshold name="x"\nof = "a"\ncolumn = "b"\nmeasure = "max"\nop = "<"\n```'), 5, "limit must be"),
        (around('```threshold name="x"\nof = "a"\nlimit = nan\n```'), 5, "column is empty"),
        (around('```threshold name="x"\nof="a"\ncolumn="b"\nmeasure="max"\nop="<"\nlimit=inf\n```'), 5, "limit must"),
        (around('```threshold name="x"\nof = "a"\nmeasure = 1\nlimit = 1\n```'), 7, "measure must be text"),
        (around('```threshold name="x"\nlimit = 1\nwhen = "now"\n```'), 7, "“when” has no place here"),
        (around('```threshold name="x"\nlimit = 1\nsparse = "yes"\n```'), 7, "sparse must be true or false"),
        (around('```sql name="x"\nSELECT 1\n```\n\n```sql name="x"\nSELECT 1\n```'), 9, "another cell is named x"),
        (around("a\x00b"), 5, "U+0000"),
        (around("\n\na\n\n\x1b[2J"), 5, "U+001B"),
        (around("a\ud800b"), 5, "U+D800"),
        (around("<!-- text -->\n" * (MAX_CELLS + 1)), 105, "more than 100 cells"),
        (around("\n\n".join(map(twelve, range(MAX_QUESTIONS // 12 + 1)))), 1, "ask more than 200 questions"),
        ("é" * (MOST_BYTES // 2 + 1), 1, "larger than 256 KiB"),
        (around("", "a = " + "[" * 9_000), 2, "nested too deeply"),
        (around("", f"a = {'9' * 9_000}"), 2, "not TOML"),
        (around("", "a = 1979-99-99"), 3, "not TOML"),
        (around("", f"{'a.' * 6_000}a = 1"), 3, "longer than 10,000 characters"),
        (around('```threshold name="x"\nlimit = 1' + "0" * 400 + "\n```"), 6, "limit is too large"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_in_which_line_and_why(text: str, line: int, says: str) -> None:
    with pytest.raises(NotebookError) as raised:
        read(text)

    assert says in str(raised.value)
    assert raised.value.line == line


def test_prose_may_show_what_a_cell_looks_like() -> None:
    shown = 'Write\n\n````\n```promql name="x" chart="lines"\nup\n```\n````'

    assert read(around(shown)).cells == (Prose("text", shown),)


def test_prose_that_would_be_read_as_cells_is_refused() -> None:
    with pytest.raises(NotebookError, match="line 2: a cell begins within the text"):
        Prose("text", 'a\n```sql name="x"\nSELECT 1\n```')
    with pytest.raises(NotebookError, match="a cell begins within the text"):
        Prose("text", "a\n<!-- text -->\nb")
    with pytest.raises(NotebookError, match="line 2: what begins here is not closed"):
        Prose("text", "a\n```\nb")


def test_a_notebook_too_large_to_be_read_again_is_not_written() -> None:
    long = tuple(Prose(f"text_{count}", "word " * 3_000) for count in range(30))

    with pytest.raises(NotebookError, match="larger than 256 KiB"):
        write(Notebook("long", cells=long))
