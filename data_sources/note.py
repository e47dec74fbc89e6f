"""What is true of an answer and its rows cannot say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Note:
    """Something true of the answer that its rows cannot say: a warning, a cut, a gap, a reason for an unknown."""

    text: str
    # info, warning, cut (there is more than is shown), gap (of that time nothing, or not all, is known), absent (no
    # source gives it; the text says which would), or unreadable (workers answered what is not read)
    kind: str = "info"
    start: datetime | None = None  # of a gap; None: since ever
    end: datetime | None = None  # of a gap; None: still


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few names, for a note, and how many more there are."""
    once = list(dict.fromkeys(names))
    return ", ".join(once[:most]) + (f" and {len(once) - most:,} more" if len(once) > most else "")
