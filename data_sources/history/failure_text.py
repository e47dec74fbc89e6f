"""Exceptions without what differs from one time to the next, so that failures can be counted by what they are.

`KeyError('sku-17')` and `KeyError('sku-4')` are both `KeyError('…')`.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

MOST = 500  # characters that tell failures apart

SPACE = re.compile(r"\s+")
# What is written with digits, the longest first, becomes one #: nothing that is masked can be found a second time.
VOLATILE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"  # a UUID
    r"|0x[0-9a-f]+"  # an address in memory
    r"|(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{6,}(?![0-9a-z])"  # a hash
    r"|\d+(?:[.,:]\d+)*",  # a number, a time, an IP address with its port
    re.IGNORECASE,
)
QUOTED = re.compile(r"""(?<!\w)(b?)(?:'([^']*)'|"([^"]*)")""")
CLASS = re.compile(r"[A-Za-z_][\w.]*")


@lru_cache(20_000)
def masked(text: str) -> str:
    """`text` in one line with # for each number, address and hash, and '…' for what is quoted; never longer than it."""
    line = VOLATILE.sub("#", SPACE.sub(" ", text[:MOST]).strip())
    return QUOTED.sub(hide_quoted, line)


def hide_quoted(match: re.Match[str]) -> str:
    quote = match[0][len(match[1])]
    inside = match[2] or match[3]
    return f"{match[1]}{quote}{'…' if inside else ''}{quote}"


@lru_cache(20_000)
def failure_id(text: str) -> str:
    """The same for all exceptions that read alike once they are masked: 12 hexadecimal digits."""
    return hashlib.blake2b(masked(text).encode(errors="replace"), digest_size=6).hexdigest()


def class_of(text: str) -> str:
    """`KeyError` of `KeyError('sku')`; the text itself where no name stands at its beginning."""
    named = CLASS.match(text)
    return named[0] if named else text
