"""Why there is no newer answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from data_sources.errors import QueryRejected, SourceError

RECORDING = ("Recorder", "History")
TRANSPORT = "Transport"


@dataclass(frozen=True)
class Failure:
    """Stands beside the last good value when there is one."""

    kind: str  # unreachable or rejected
    source: str
    what: str
    hint: str
    since: datetime  # the first failure in an unbroken row of them
    retry_at: datetime | None  # None: not tried again by itself
    parameter: str = ""  # of the question, when it is to blame and not the source

    @property
    def is_of_recording(self) -> bool:
        """The recorder or its history failed: what it asks may be well, and nothing newer is known of it."""
        return self.source in RECORDING

    @property
    def is_of_transport(self) -> bool:
        """The broker is well, and Celery's transport to it has no such thing: there is nothing to mend."""
        return self.source == TRANSPORT

    @classmethod
    def from_error(cls, error: SourceError, since: datetime, retry_at: datetime | None) -> Self:
        kind, parameter = ("rejected", error.parameter) if isinstance(error, QueryRejected) else ("unreachable", "")
        return cls(kind, error.source, error.what, error.hint, since, retry_at, parameter)
