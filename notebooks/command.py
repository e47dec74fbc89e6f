"""Runs notebooks without a browser, for cron and CI, and looks after their files.

python -m notebooks run FILE --range 24h --html OUT.html --csv FOLDER --check
python -m notebooks check FILE...          says what is wrong with it
python -m notebooks fmt FILE...            writes it as Celery Notebook writes it

It connects to what the dashboard connects to (CELERY_BROKER_URL, PROMETHEUS_URL ...), reads the history that a recorder
writes, and starts none. `run` prints a line a cell and ends with

0  every threshold holds; without --check: every cell was answered
1  a threshold does not hold
2  it cannot be told; or the notebook, the settings or the call are wrong
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from data_sources import ask, settings
from data_sources.errors import BadParameter, ConfigError
from data_sources.fields import Fields
from data_sources.scope import Range, Scope, parse_duration
from notebooks import needs, variables
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Notebook, Prose
from notebooks.outcome import CANNOT_TELL, FAILS, FINE, Report
from notebooks.output import say, write_csv, write_file, write_html
from notebooks.run import DEADLINE_SECONDS, Run, held
from notebooks.taken import asked
from notebooks.text.file import read, write
from workspace.notebooks import MOST_BYTES

log = logging.getLogger(__name__)


class Wrong(Exception):
    """Of the call, in one line."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Wrong(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        options = parser().parse_args(arguments)
        return int(options.does(options))
    except Wrong as error:
        say(str(error), sys.stderr)
    except (BadParameter, ConfigError, NotebookError) as error:
        say(str(error), sys.stderr)
    except OSError as error:
        say(f"{error.filename}: {error.strerror}", sys.stderr)
    except Exception as error:  # Python would end with 1, as if a threshold did not hold
        log.exception("unexpected error")
        say(f"Celery Notebook: unexpected {type(error).__name__}", sys.stderr)
    return CANNOT_TELL


def parser() -> Parser:
    whole = Parser(
        prog="python -m notebooks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = whole.add_subparsers(required=True, metavar="run | check | fmt")
    runs = commands.add_parser("run", help="asks all cells, and tells what came of them")
    runs.add_argument("file", type=Path, metavar="FILE")
    runs.add_argument("--range", metavar="24h", help="how far back; the notebook's own without it")
    runs.add_argument("--from", dest="start", metavar="TIME", help="ISO 8601 or unix seconds, with --to")
    runs.add_argument("--to", dest="end", metavar="TIME", help="now, without it")
    runs.add_argument("--cluster", metavar="NAME", help="the first one configured without it")
    runs.add_argument("--var", action="append", default=[], metavar="queue=mail", help="may be given more than once")
    runs.add_argument("--html", type=Path, metavar="FILE", help="writes all of it into one file for a browser")
    runs.add_argument("--csv", type=Path, metavar="FOLDER", help="writes each cell's rows there, and what made them")
    runs.add_argument("--check", action="store_true", help="ends by what the thresholds say")
    runs.add_argument("--deadline", default=f"{DEADLINE_SECONDS:.0f}s", metavar="60s", help="of each cell")
    runs.set_defaults(does=run_file)
    for name, does, tells in (("check", check_files, "says what is wrong"), ("fmt", format_files, "writes it anew")):
        command = commands.add_parser(name, help=tells)
        command.add_argument("files", type=Path, nargs="+", metavar="FILE")
        command.set_defaults(does=does)
    return whole


def run_file(options: argparse.Namespace) -> int:
    notebook = read_file(options.file)
    span = asked_range(options, notebook)
    deadline = parse_duration(options.deadline, "--deadline").total_seconds()
    fields = var_fields(options.var)
    ask.start(settings.load())
    try:
        cluster = cluster_of(options.cluster)
        values = variables.chosen(notebook.variables, fields, cluster)
        scope = held(Scope(cluster, span), deadline)
        report = Report(notebook, scope)
        results = report.told(Run(notebook, values, scope, deadline).results())
        if options.csv:
            write_csv(options.csv, results, scope)
        if options.html:
            write_html(options.html, notebook, results, values, scope)
        return report.end(results, options.check)
    finally:
        ask.stop()


def asked_range(options: argparse.Namespace, notebook: Notebook) -> Range:
    """Raises Wrong and BadParameter."""
    given = {"range": options.range, "from": options.start, "to": options.end}
    params = {name: text for name, text in given.items() if text is not None}
    if "range" in params and len(params) > 1:
        raise Wrong("--range goes without --from and --to")
    return Range.from_params(params) if params else notebook.range


def var_fields(given: Sequence[str]) -> Fields:
    """`queue=mail`, given for each value; `queue=` is all there are. Raises Wrong."""
    fields: dict[str, list[str]] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Wrong(f"--var takes a name and a value, queue=mail, and not {pair[:60]}")
        fields.setdefault(variables.PREFIX + name, []).append(value)
    return fields


def cluster_of(name: str | None) -> str:
    known = ask.clusters()
    if name is not None and name not in known:
        raise Wrong(f"--cluster must be one of {', '.join(known)}")
    return name or known[0]


def read_file(path: Path) -> Notebook:
    """Raises Wrong and OSError."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    try:
        return read(content.decode())
    except UnicodeDecodeError:
        raise Wrong(f"{path}: is no UTF-8 text") from None
    except NotebookError as error:
        raise Wrong(f"{path}:{error.line or 1}: {error.message}") from None


def check_files(options: argparse.Namespace) -> int:
    problems = [f"{path}: {problem}" for path in options.files for problem in problems_of(read_file(path))]
    for problem in problems:
        say(problem, sys.stdout)
    return FAILS if problems else FINE


def problems_of(notebook: Notebook) -> list[str]:
    """What a run would stumble over, with the variables' own values."""
    values = variables.chosen(notebook.variables, {}, "default")
    problems = []
    for cell in notebook.cells:
        try:
            if isinstance(cell, Ask):
                asked(cell, values)
            elif not isinstance(cell, Prose):
                needs.made_of(notebook, cell.name)
        except BadParameter as error:
            problems.append(f"{cell.name}: {error}")
        except NotebookError as error:
            problems.append(error.message)
    return problems


def format_files(options: argparse.Namespace) -> int:
    for path in options.files:
        content = write(read_file(path)).encode()
        if path.read_bytes() != content:
            write_file(path, content)
            say(f"{path} is written anew", sys.stdout)
    return FINE
