"""What differs from worker to worker, as while a deploy is half done: settings, and tasks that not all have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import pandas as pd

NOT_SET = "not set"
HAS, LACKS = "has it", "lacks it"


@dataclass(frozen=True)
class Difference:
    """`kind`: setting or task. `sides`: what is said, and the workers that say it; the most common first."""

    kind: str
    name: str
    sides: tuple[tuple[str, tuple[str, ...]], ...]


def differences(conf: pd.DataFrame, registered: pd.DataFrame) -> list[Difference]:
    """Of the answers to `conf` and `registered`, see inspect_frames.COLUMNS; settings first, by name."""
    settings = sides_of(conf, "setting", conf["value"], NOT_SET)
    tasks = sides_of(registered, "task", pd.Series(HAS, registered.index), LACKS)
    return [
        Difference(kind, name, ordered(said))
        for kind, found in (("setting", settings), ("task", tasks))
        for name, said in sorted(found.items())
        if len(said) > 1
    ]


def sides_of(
    frame: pd.DataFrame, column: str, values: pd.Series[str], absent: str
) -> Mapping[str, Mapping[str, set[str]]]:
    """By name, who says what; a worker that answered and does not name it says `absent`."""
    everyone = set(frame["worker"])
    said: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for worker, name, value in zip(frame["worker"], frame[column], values, strict=True):
        said[str(name)][absent if pd.isna(value) else in_order(str(value))].add(worker)
    for sides in said.values():
        if missing := everyone.difference(*sides.values()):
            sides[absent] |= missing
    return said


def in_order(value: str) -> str:
    """JSON with its list sorted: `include` and its like are made from sets."""
    if not value.startswith("["):
        return value
    try:
        return orjson.dumps(sorted(orjson.loads(value), key=str)).decode()
    except orjson.JSONDecodeError:
        return value


def ordered(said: Mapping[str, set[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    sides = [(value, tuple(sorted(workers))) for value, workers in said.items()]
    return tuple(sorted(sides, key=lambda side: (-len(side[1]), side[0])))
