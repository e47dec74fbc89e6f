"""What came of a run, told as it comes: a line a cell, and a last one that says how it ends."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from data_sources import ask
from data_sources.answer import Answer
from data_sources.scope import Scope, format_duration, iso
from notebooks.notebook import Notebook, Prose
from notebooks.output import say
from notebooks.run import Result

FINE, FAILS, CANNOT_TELL = 0, 1, 2
WORDS = {"holds": "HOLDS", "fails": "FAILS", "unknown": "UNKNOWN"}
NO_RECORDER = "Nothing is recorded now: start the dashboard, or python -m recorder, with the same settings as this run"


class Report:
    """Lines on standard output; how far it is on standard error, where somebody looks on."""

    def __init__(self, notebook: Notebook, scope: Scope) -> None:
        self._title, self._scope = notebook.title, scope
        self._names = [cell.name for cell in notebook.cells if not isinstance(cell, Prose)]
        self._told = 0

    def told(self, results: Iterable[Result]) -> list[Result]:
        """All of them, each told as it comes."""
        window = ask.desk().window(self._scope)
        stretch = f"{iso(window.start)} to {iso(window.end)}, every {format_duration(window.step)}"
        say(f"{self._title} · {self._scope.cluster} · {stretch}", sys.stdout)
        self._show_progress()
        seen = []
        for result in results:
            seen.append(result)
            if not isinstance(result.cell, Prose):
                self._tell(result)
        return seen

    def _tell(self, result: Result) -> None:
        self._told += 1
        state, words = state_of(result)
        say(f"{result.cell.name:{max(map(len, self._names))}}  {state:8}  {words}", sys.stdout)
        self._show_progress()

    def end(self, results: Sequence[Result], by_thresholds: bool) -> int:
        """Says how it ends; its exit code."""
        asked = [answer for result in results for answer in answers_of(result)]
        if any(answer.failure and answer.failure.is_of_recording for answer in asked):
            say(NO_RECORDER, sys.stderr)
        count = Counter(result.verdict.state for result in results if result.verdict)
        if count:
            hold, fail, unknown = (count[state] for state in WORDS)
            say(f"Of {count.total()} thresholds {hold} hold, {fail} do not, {unknown} cannot be told", sys.stdout)
        elif by_thresholds:
            say("There is no threshold to check", sys.stdout)
        if not by_thresholds:
            return CANNOT_TELL if any(answer.failure or answer.pending for answer in asked) else FINE
        if count["fails"]:
            return FAILS
        return FINE if count and not count["unknown"] else CANNOT_TELL

    def _show_progress(self) -> None:
        if sys.stderr.isatty() and self._told < len(self._names):
            here = f"{self._told + 1} of {len(self._names)}: {self._names[self._told]}"
            sys.stderr.write(f"\r{here}\x1b[K\r")
            sys.stderr.flush()


def answers_of(result: Result) -> list[Answer]:
    return [answer for row in result.answers for answer in row]


def state_of(result: Result) -> tuple[str, str]:
    """A word and what there is to say."""
    if result.verdict:
        return WORDS[result.verdict.state], result.verdict.why
    asked = answers_of(result)
    for answer in asked:
        if failure := answer.failure:
            old = f", and nothing newer is known than of {iso(answer.measured_at)}" if answer.measured_at else ""
            hint = f" ({failure.hint})" if failure.hint else ""
            return "failed", f"{failure.source}: {failure.what}{old}{hint}"
        if answer.pending:
            return "failed", f"{answer.origin or 'its source'} has not answered in time"
    origins = dict.fromkeys(answer.origin for answer in asked if answer.origin)
    return "answered", ", ".join([amount(asked), *origins])


def amount(asked: Sequence[Answer]) -> str:
    plotted = [answer for answer in asked if answer.window]
    listed = [answer for answer in asked if not answer.window]
    points = sum(len(answer.frame) for answer in plotted)
    words = [f"{sum(answer.series for answer in plotted):,} series of {points:,} points"] if plotted else []
    words += [f"{sum(len(answer.frame) for answer in listed):,} rows"] if listed else []
    return " and ".join(words)
