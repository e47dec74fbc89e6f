"""Exceptions without what differs from one time to the next, so that failures can be counted by what they are.

`KeyError('sku-17')` and `KeyError('sku-4')` are both `KeyError('…')`. A worker tells an exception as Python writes it,
its message in quotes: of what is quoted only single words are hidden, which are keys and names.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

MOST = 500  # characters that tell failures apart

SPACE = re.compile(r"\s+")
# A class may have digits in its name, and a small number before a message is of an error, as errno: OSError(28, '…').
HEAD = re.compile(r"""[A-Za-z_][\w.]*\((?:\d{1,3}(?=, ['"]))?""")
# What is volatile, the longest first, becomes one #: nothing that is masked can be found a second time.
VOLATILE = re.compile(
    r"(?<![\w.+#-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # an address of mail
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"  # a UUID
    r"|0x[0-9a-f]+"  # an address in memory
    r"|(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{6,}(?![0-9a-z])"  # a hash
    r"|\d+(?:[.,:]\d+)*",  # a number, a time, an IP address with its port
    re.IGNORECASE,
)
VALUE = re.compile(r"""(?<==)\([^()'"]+\)""")  # PostgreSQL's "Key (email)=(somebody) already exists"
QUOTED = re.compile(r"""(?<![\w\\])(b?)(\\?['"])((?:(?!\2)(?:\\.|[^\\]))*)\2""")  # \' within '…', as Python writes it
CLASS = re.compile(r"[A-Za-z_][\w.]*")


@lru_cache(20_000)
def masked(text: str) -> str:
    """`text` in one line with # for each number, address and hash, and '…' for a quoted word; never longer than it."""
    line = SPACE.sub(" ", text[:MOST]).strip()
    head = HEAD.match(line)
    kept, rest = (head[0], line[head.end() :]) if head else ("", line)
    return kept + hidden(VALUE.sub("(…)", VOLATILE.sub("#", rest)))


def hidden(text: str) -> str:
    """`text` without its quoted words, also those within a message that is quoted itself."""
    return QUOTED.sub(hide_quoted, text)


def hide_quoted(match: re.Match[str]) -> str:
    prefix, quote, inside = match.groups()
    shown = hidden(inside) if " " in inside else "…" if inside else ""
    return f"{prefix}{quote}{shown}{quote}"


@lru_cache(20_000)
def failure_id(text: str) -> str:
    """The same for all exceptions that read alike once they are masked: 12 hexadecimal digits."""
    return hashlib.blake2b(masked(text).encode(errors="replace"), digest_size=6).hexdigest()


def class_of(text: str) -> str:
    """`KeyError` of `KeyError('sku')`; the text itself where no name stands at its beginning."""
    named = CLASS.match(text)
    return named[0] if named else text
