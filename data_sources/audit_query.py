"""A question about what people did, as a value; the workspace answers it, to operators alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, one

PAGE_ROWS = 100
MAX_ROWS = 10_000

AUDIT_COLUMNS = {
    "id": "int64",
    "at": "datetime64[us, UTC]",
    "who": "str",
    "from_address": "str",
    "action": "str",  # the order's kind
    "target": "str",  # a worker, queue or task, or how many
    "outcome": "str",  # asked, then done, partly, refused, failed (nothing was sent) or unconfirmed; or denied
    "detail": "str",
    "arguments": "object",  # a mapping, masked; `asked` in it is the id of the entry that an outcome is of
}


@dataclass(frozen=True)
class Audit:
    """A page of the audit's entries of the scope's cluster, newest first; `before`: those with a smaller id."""

    kind: ClassVar[str] = "audit"
    limit: int = PAGE_ROWS
    before: int | None = None

    def to_params(self) -> Params:
        return [
            ("source", self.kind),
            *([("limit", str(self.limit))] if self.limit != PAGE_ROWS else []),
            *([("before", str(self.before))] if self.before is not None else []),
        ]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        limit, before = one(fields, "limit") or str(PAGE_ROWS), one(fields, "before")
        if not re.fullmatch(r"\d{1,5}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_ROWS:
            raise BadParameter("limit", f"must be a number from 1 to {MAX_ROWS:,}")
        if before and not re.fullmatch(r"\d{1,18}", before, re.ASCII):
            raise BadParameter("before", "must be the id of an entry")
        return cls(int(limit), int(before) if before else None)
