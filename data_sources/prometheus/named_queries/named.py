"""A query of the library as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from data_sources.prometheus.promql import ADVICE, UNITS, Family, signal
from data_sources.prometheus.whose import Whose

WINDOW = timedelta(minutes=5)


@dataclass(frozen=True)
class Named:
    """A query of the library. `needs`: a metric without which it finds nothing. `unit`: as of a NamedQuery."""

    family: str
    name: str
    title: str
    text: str
    unit: str
    advice: str
    needs: str


def measured(family: Family, name: str, by: str, title: str, needs: str, whose: Whose) -> Named:
    """One that pages ask too."""
    found = signal(name, by, family, WINDOW, whose)
    assert found
    return Named(family, f"{name}_by_{by}", title, found.text, UNITS.get(name, ""), ADVICE[name], needs)
