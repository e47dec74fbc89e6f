"""What an address shows is made while the browser that asked for it still loads Streamlit.

That takes it most of a second, of which the server needs next to nothing. What is asked, and what is made of the
answers, is known from the last run of a page at that address; answers and what is made of them are kept for whoever
comes, so that the run which follows finds them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cells.asking import answers_to
from data_sources.answer import Answer
from data_sources.query import Query
from data_sources.scope import Scope

log = logging.getLogger(__name__)

MOST_ADDRESSES = 64
PATIENCE_SECONDS = 2.0  # by then the page asks for itself

Make = Callable[[Mapping[str, Answer]], object]
Address = tuple[str, tuple[tuple[str, str], ...]]  # path without slashes around it, and parameters in order


@dataclass(frozen=True)
class Part:
    """A piece of a page: what it asks, and what is `make`d of the answers and kept elsewhere."""

    queries: Mapping[str, Query]
    scope: Scope
    make: Make | None = None


class Ahead:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: OrderedDict[Address, list[Part]] = OrderedDict()
        self._under_way: set[Address] = set()
        self._lane = ThreadPoolExecutor(1, "ahead")

    def remember(self, path: str, params: Iterable[tuple[str, str]], parts: list[Part]) -> None:
        """`parts` may still grow."""
        with self._lock:
            self._pages[address(path, params)] = parts
            self._pages.move_to_end(address(path, params))
            while len(self._pages) > MOST_ADDRESSES:
                self._pages.popitem(last=False)

    def begin(self, path: str, query_string: bytes) -> None:
        """Somebody asks for a page. Returns at once."""
        here = address(path, parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
        with self._lock:
            parts = tuple(self._pages.get(here, ()))
            if not parts or here in self._under_way:
                return
            self._under_way.add(here)
        self._lane.submit(self._make, here, parts)

    def _make(self, here: Address, parts: tuple[Part, ...]) -> None:
        try:
            make(parts)
        except Exception:
            log.exception("nothing was made ahead of %s", here[0] or "the first page")
        finally:
            with self._lock:
                self._under_way.discard(here)


def make(parts: tuple[Part, ...]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    for part in parts:
        answers_to(part.queries, part.scope)  # all are under way before any waiting
    for part in parts:
        answers = answers_to(part.queries, part.scope, max(0.0, ends - time.monotonic()))
        if part.make and not any(answer.pending for answer in answers.values()):
            part.make(answers)


def address(path: str, params: Iterable[tuple[str, str]]) -> Address:
    return path.strip("/"), tuple(sorted(params))


AHEAD = Ahead()
