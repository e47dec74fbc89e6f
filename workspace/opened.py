"""The workspace of this process, opened once: on SQLite a second one here would find the first one's lock."""

from __future__ import annotations

from data_sources.config import Settings
from workspace.store import Workspace, workspace

_opened: Workspace | None = None


def start(settings: Settings) -> Workspace:
    """That of `settings`, for all who want it. Nothing is touched before it is used. Raises ConfigError."""
    global _opened
    if _opened is None:
        _opened = workspace(settings.history_url)
    return _opened


def stop() -> None:
    """Others may write it then."""
    global _opened
    if _opened is not None:
        _opened.close()
        _opened = None


def opened() -> Workspace:
    """Raises RuntimeError before `start`."""
    if _opened is None:
        raise RuntimeError("no workspace is open yet: the dashboard's lifespan calls workspace.opened.start()")
    return _opened
