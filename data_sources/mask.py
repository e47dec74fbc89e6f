"""Hiding what must not be shown: secrets in anything a worker says, whatever its shape.

What counts is the name a value stands under: celery masks its own settings (app/utils.py, HIDDEN_SETTINGS), and
neither the user's settings nor the arguments of tasks. Numbers stay: counts stand under task names, and a task may
be called refresh_token.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MASK = "********"
MAX_DEPTH = 50  # nothing honest is deeper; beyond it only the mask is shown

SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|authori[sz]ation|signature|cookie|dsn|api_?key|access_?key|private"
    r"|(?:^|_)(?:pass|pwd|auth|jwt|bearer|sas|keys?)(?:_|$)"
)
# What every pair with a secret's name holds, in small letters: one of these in the name, and what makes it a pair. To
# look for that first is far quicker than to look at each pair. KeyError, the most usual of errors, is no such name.
LIKELY = re.compile(
    r"(?:pass|pwd|secret|token|credential|auth|signature|cookie|dsn|private|jwt|bearer|sas"
    r"|key(?:(?<=[\w.-]key)|(?!error['\"]?\s{0,3}[:=])))[\w.-]{0,80}+['\"]?\s{0,3}[:=]"
)
# A name with `key` that is an address, an index or an exception, not something that opens a door.
INNOCENT = re.compile(
    r"(?:.*_)?(?:routing|binding|sort|partition|primary|foreign|cache|public|unacked)_keys?|key_error"
)

USERINFO = re.compile(r"://[^\s/]*@")

# name=value, "name": "value", 'name': ['value', ...] inside a text: arguments come as Python's repr. A name begins
# where a word begins, is at most 80 long and is taken whole or not at all, so that much text is read once.
PAIR = re.compile(
    r"""(?P<head>(?<![\w.-])(?P<name>[\w.-]{1,80}+)['"]?+\s{0,3}[:=]\s{0,3})"""
    r"""(?P<value>b?'(?:[^'\\]|\\.)*(?:'|$)|b?"(?:[^"\\]|\\.)*(?:"|$)|[\[({][^\])}]*[\])}]?|[^\s,;&)}\]]+)""",
    re.DOTALL,
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?|None|True|False|null|true|false")


def mask(value: Any, depth: int = 0) -> Any:
    """`value`, parsed JSON, without userinfo in URLs; what stands under a secret's name becomes MASK."""
    if depth > MAX_DEPTH:
        return MASK
    if isinstance(value, dict):
        return {
            mask_text(str(name)): hide(entry) if is_secret(str(name)) else mask(entry, depth + 1)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask(entry, depth + 1) for entry in value]
    return mask_text(value) if isinstance(value, str) else value


def hide(value: Any) -> Any:
    """MASK in place of a secret; what holds none (nothing, a number) stays."""
    return MASK if value and isinstance(value, str | dict | list | tuple) else value


def mask_text(text: str) -> str:
    """`text` without userinfo in URLs, without the values of secret names, and without lone surrogates."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # to U+FFFD: “?” is a text
    if ":" not in text and "=" not in text:
        return text
    if "@" in text and "://" in text:
        text = USERINFO.sub("://***@", text)
    return PAIR.sub(_mask_pair, text) if _may_hold_secret(text) else text


@lru_cache(10_000)
def is_secret(name: str) -> bool:
    """Whether what stands under this name is hidden: `db_password`, `apiKey`; not `routing_key`, not `monkey`."""
    words = re.sub(r"[-. ]", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name[:200])).lower()
    return SECRET.search(words) is not None and INNOCENT.fullmatch(words) is None


def _may_hold_secret(text: str) -> bool:
    words = text.lower()
    return _hints_at_secret(words) and (not text.isascii() or LIKELY.search(words) is not None)


def _hints_at_secret(words: str) -> bool:
    """Written out: a loop takes half as long again, three times for each task."""
    return (
        "pass" in words
        or "pwd" in words
        or "secret" in words
        or "token" in words
        or "credential" in words
        or "auth" in words
        or "signature" in words
        or "cookie" in words
        or "dsn" in words
        or "key" in words
        or "private" in words
        or "jwt" in words
        or "bearer" in words
        or "sas" in words
    )


def _mask_pair(pair: re.Match[str]) -> str:
    if not is_secret(pair["name"]) or NUMBER.fullmatch(pair["value"]):
        return pair[0]
    quote = next((mark for mark in "'\"" if pair["value"].startswith(mark)), "")
    return f"{pair['head']}{quote}{MASK}{quote}"
