"""Runs every benchmark and keeps the figures: `python -m benchmarks`, or only some: `python -m benchmarks depths`.

Prints a table and, when all of them ran, writes benchmarks/results.json, a list of `name, ours, peer, ratio, goal,
runs, unit`. `ratio` says how many times better than the peer, or than the limit, we are: larger is better, and `goal`
is what we promise.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from demo.environment import forget_own_clusters

FOLDER = Path(__file__).parent
COLUMNS = ("name", "ours", "peer", "ratio", "goal", "runs", "unit")

Row = dict[str, object]


def names() -> list[str]:
    """Every file here is a benchmark with `run() -> list[Row]`, but those that begin with an underscore."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def line(row: Row) -> str:
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in map(row.get, COLUMNS)]
    return f"{shown[0]:<60}" + "".join(f"{text:>12}" for text in shown[1:])


def main() -> int:
    forget_own_clusters()
    chosen = sys.argv[1:] or names()
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(names())}.")
        return 2
    rows: list[Row] = []
    print(line(dict(zip(COLUMNS, COLUMNS, strict=True))), flush=True)
    for name in chosen:
        for row in import_module(f"benchmarks.{name}").run():
            rows.append(row)
            print(line(row), flush=True)
    if chosen == names():
        (FOLDER / "results.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
