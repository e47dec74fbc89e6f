"""Why something is not done, beside what sources and parameters say (data_sources/errors.py)."""

from __future__ import annotations


class Denied(Exception):
    """Who asks is no operator."""

    def __init__(self) -> None:
        super().__init__("Only operators may change something")


class Stale(Exception):
    """There is no such plan any more: it was used, is too old, or what it was made of has changed."""


class Unconfirmed(Exception):
    """What was typed is not `phrase`."""

    def __init__(self, phrase: str) -> None:
        super().__init__(f"Type exactly: {phrase}")
        self.phrase = phrase
