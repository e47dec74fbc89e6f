"""What of a queue calls for a hand, and how long until it is empty."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

JUDGED_COLUMNS = {
    "drain": "float64",  # seconds until it is empty, if it goes on so; inf: never, it grows or nobody consumes it; NaN:
    # not known, or about as much comes as goes
    "flags": "object",  # a list of FLAGS
}
FLAGS = ("nobody", "grows", "twice")  # nobody consumes it; it only grows; some of it runs twice

Truth = npt.NDArray[np.bool_]


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame`, with the columns of queue_depths.COLUMNS, and those of JUDGED_COLUMNS; Celery's own have no flags."""
    work = ~frame["internal"].to_numpy()
    true = {
        "nobody": work & is_true(frame["consumers"] == 0) & is_true(frame["ready"] > 0),
        "grows": work & is_true(frame["grows"]),
        "twice": work & is_true(frame["twice"] > 0),
    }
    flags = [[name for name, held in zip(FLAGS, row, strict=True) if held] for row in zip(*true.values(), strict=True)]
    return frame.assign(drain=drain(frame), flags=pd.Series(flags, dtype="object", index=frame.index))


def drain(frame: pd.DataFrame) -> pd.Series[float]:
    """Ready messages over how many fewer they become a second, where they do so all the time."""
    ready, growth = frame["ready"].astype("float64"), frame["growth"]
    seconds = (ready / -growth).where(is_true(frame["falls"]) & (growth < 0))
    never = is_true(frame["grows"]) | (is_true(frame["consumers"] == 0) & is_true(growth >= 0))
    return seconds.mask(never, np.inf).mask(ready == 0, 0.0)


def is_true(values: pd.Series[bool]) -> Truth:
    """Where it is known that they are."""
    return np.asarray(values.fillna(False), dtype=bool)
