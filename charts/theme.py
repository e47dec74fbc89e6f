"""Colours. Figures are built in the light ones; the browser swaps each for its dark partner."""

from __future__ import annotations

import threading

SERIES = (
    ("#2B6CB0", "#6FA8E0"),
    ("#D98E04", "#E9A23B"),
    ("#2E8B74", "#57B79C"),
    ("#B8516A", "#E08AA0"),
    ("#7A5BA8", "#B39BDB"),
    ("#6B8E23", "#A3C45A"),
    ("#4FA3C7", "#7CC4E0"),
    ("#8C6D46", "#C2A27A"),
)
LETTERS = {letter: colour for letter, (colour, _) in zip("ABCDEFGH", SERIES, strict=True)}  # of queries side by side
# One fixed colour per task state, everywhere.
STATES = {
    "succeeded": ("#2E7D5B", "#5FBF95"),
    "failed": ("#C2413A", "#EE7A70"),
    "retried": ("#C77700", "#E9A23C"),
    "revoked": ("#7A807A", "#9AA29B"),
    "active": ("#2B6CB1", "#6FA8E1"),
    "waiting": ("#7A5BA9", "#B39BDC"),
}
STATE_OF = {  # Celery's names
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "RETRY": "retried",
    "REVOKED": "revoked",
    "REJECTED": "revoked",
    "STARTED": "active",
    "RECEIVED": "waiting",
    "PENDING": "waiting",
}
TEXT = ("#1F2421", "#E6E8E3")
MUTED = ("#6B716B", "#9AA29A")
GRID = ("#ECECE4", "#2A2F2B")
OTHERS = ("#A9AFA9", "#6E756F")
GAP = ("#EFEFE8", "#232824")

DARK_OF = dict([*SERIES, *STATES.values(), TEXT, MUTED, GRID, OTHERS, GAP])


class Palette:
    """Hands out colours: a name keeps its own on every chart, for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[tuple[str, str], int] = {}
        self._taken: dict[str, int] = {}

    def style(self, kind: str, name: str) -> tuple[str, str]:
        """Colour and dash of the task, queue, worker or container (`kind`) called `name`."""
        with self._lock:
            if (kind, name) not in self._places and len(self._places) < 10_000:
                self._places[kind, name] = self._taken.get(kind, 0)
                self._taken[kind] = self._taken.get(kind, 0) + 1
            place = self._places.get((kind, name), 0)
        return SERIES[place % len(SERIES)][0], "solid" if place % (2 * len(SERIES)) < len(SERIES) else "dash"


PALETTE = Palette()
