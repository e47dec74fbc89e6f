"""An entry of a beat's schedule, whichever store it stands in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data_sources.mask import MASK, mask, mask_text
from data_sources.schedule.forms import Form

LONGEST_TEXT = 2_000  # characters of arguments that are shown

WORKERS = "worker configuration"
REDBEAT = "RedBeat"
DATABASE = "django-celery-beat"
INFERRED = "inferred from history"


@dataclass(frozen=True)
class Entry:
    """`source` is one of those above. None: not known, or the store does not keep it.

    `args` and `kwargs` are JSON, masked and cut; `due_at` is when the store itself says that it is due next, and
    `not_before` when it begins.
    """

    name: str
    task: str | None
    form: Form
    source: str
    args: str | None = None
    kwargs: str | None = None
    queue: str | None = None
    options: str | None = None
    enabled: bool = True
    last_run_at: datetime | None = None
    total_run_count: int | None = None
    due_at: datetime | None = None
    not_before: datetime | None = None


def defined(name: str, definition: Mapping[Any, Any], form: Form, source: str, **beside: Any) -> Entry:
    """From a definition as beat's own entries have it: task, args, kwargs, options."""
    return Entry(
        name=name,
        task=text_of(definition.get("task")),
        form=form,
        source=source,
        args=shown(definition.get("args")),
        kwargs=shown(definition.get("kwargs")),
        queue=queue_of(definition.get("options")),
        options=shown(definition.get("options")),
        **beside,
    )


def shown(value: Any) -> str | None:
    """JSON text of arguments or options, secrets masked; None for none of them."""
    if not value:
        return None
    if isinstance(value, str):
        return mask_text(value)[:LONGEST_TEXT]
    return json.dumps(mask(value), ensure_ascii=False, default=str)[:LONGEST_TEXT]


def text_of(value: Any) -> str | None:
    """A name; None for what is none, or hidden."""
    return mask_text(value)[:LONGEST_TEXT] if isinstance(value, str) and value not in ("", MASK) else None


def count_of(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def queue_of(options: Any) -> str | None:
    """A queue that the entry itself names."""
    queue = options.get("queue") if isinstance(options, Mapping) else None
    return text_of(queue.get("name") if isinstance(queue, Mapping) else queue)
