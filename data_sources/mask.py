"""Hiding what must not be shown: secrets in anything a worker says, whatever its shape.

What counts is the name a value stands under: celery masks its own settings (app/utils.py, HIDDEN_SETTINGS), and
neither the user's settings nor the arguments of tasks. A number may be a secret (a PIN, a password of digits) and is
hidden too, but for those whose name says that they count something. In what a worker tells of itself they stay:
there counts stand under the names of tasks, and a task may be called refresh_token.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MASK = "********"
MAX_DEPTH = 50  # nothing honest is deeper; beyond it only the mask is shown

SECRET = re.compile(
    r"passw|passphrase|passcode|secret|token|credential|authori[sz]ation|signature|cookie|dsn|api_?key|access_?key|private"
    r"|(?:^|_)(?:pass|pwd|auth|jwt|bearer|sas|keys?|pin|otp|cvv|cvc)(?:_|$)"
)
# What every pair with a secret's name holds, in small letters: one of these in the name, and what makes it a pair. To
# look for that first is far quicker than to look at each pair. KeyError, the most usual of errors, is no such name.
LIKELY = re.compile(
    r"(?:pass|pwd|secret|token|credential|auth|signature|cookie|dsn|private|jwt|bearer|sas|pin|otp|cvv|cvc"
    r"|key(?:(?<=[\w.-]key)|(?!error['\"]?\s{0,3}[:=])))[\w.-]{0,80}+(?:\\*+['\"]?+\]?+\s*+[:=]|\\*+['\"],)"
)
OPTION = re.compile(r"--[\w.-]++\s")
# As a word of a name: `pin`, `userPin`, `PIN_CODE`; not that of “shipping”, which many texts have.
PIN = re.compile(r"(?:(?<![A-Za-z0-9])[Pp]|(?<=[a-z0-9])P)[Ii](?:n(?![a-z0-9])|N(?![A-Za-z0-9]))")
# A name with `key` that is an address, an index or an exception, not something that opens a door.
INNOCENT = re.compile(
    r"(?:.*_)?(?:routing|binding|sort|partition|primary|foreign|cache|public|unacked)_keys?|key_error"
)
# A number under such a name is no secret: max_tokens=4096, credential_id=17, AuthError: 401.
COUNTED = re.compile(
    r"(?:.*_)?(?:tokens|keys|secrets|passwords|cookies|ids?|counts?|length|size|ttl|timeout|age|seconds|version|error"
    r"|exception)"
)
ARGUMENTS = frozenset({"args", "kwargs"})  # of a task, or of an entry of beat's schedule, wherever a worker tells them

# `user:` that is no host with its port may go on with a password of any kind, up to the last @.
USERINFO = re.compile(
    r"""://(?:[^\s/:@\[]*:(?!\d*(?:[/?\#,;'"\s]|\Z))(?:(?!://)[^\s'"])*@|[^\s/]*@)""",
)

# name=value, "name": "value", ['name'] = value inside a text: arguments come as Python's repr, and JSON inside JSON has
# backslashes before its quotes. Also `--name value` and, in lists, '--name', 'value' and ('name', value). A name begins
# where a word begins, is at most 80 long and is taken whole or not at all, so that much text is read once.
HEAD = re.compile(
    r"""(?<![\w.-])(?P<option>--)?+(?P<name>[\w.-]{1,80}+)"""
    r"""(?:\\*+['"]?+\]?+\s*+[:=]=?>?\s*+|(?P<listed>\\*+['"],\s*+)|(?(option)\s++(?!-)|(?!)))"""
)
PAIR = re.compile(r"[\[(,] ?[\[(]\\*['\"]\Z")  # before the name of a pair in a list
STRING = re.compile(r"[bBrRuUfF]{0,2}(\\*)(['\"])")
CLOSING = {quote: re.compile(rf"(?<!\\)(\\*+){quote}") for quote in "'\""}
BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
STRING_OR_BRACKET = re.compile(r"(?<!\\)(\\*+)(['\"])|[()\[\]{}<>]")
# Without quotes: a word, in which a quote may stand that ends nothing; and what goes on to the end of its line.
WORD = re.compile(r"""(?:[^\s,;&)}\]'"\\(\[{]|\\++(?!['"])|\\*+['"](?![\s,;:)}\]]|\Z))*+""")
LINE = re.compile(r"""(?:=\\*+"[^"\r\n]*+"|[^\r\n'"\\]|\\++(?!['"nr])|\\*+['"](?![\s,;:)}\]]|\Z))*+""")
OF_A_LINE = re.compile(r"authori[sz]ation|cookie", re.IGNORECASE)  # names of headers
SCHEME = re.compile(r"(?:bearer|basic|digest|negotiate|token|api-?key|aws4-hmac-sha256)\s", re.IGNORECASE)
MOST_SCANNED = 20  # times a text's length; who nests secrets in secrets further is masked to the end
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NOTHING = re.compile(r"None|True|False|null|true|false")


def mask(value: Any, *, counts: bool = False, depth: int = 0) -> Any:
    """`value`, parsed JSON, without userinfo in URLs; what stands under a secret's name becomes MASK.

    `counts`: numbers stay, whatever their name, but for those in arguments of tasks.
    """
    if depth > MAX_DEPTH:
        return MASK
    if isinstance(value, dict):
        return {
            mask_text(str(name)): hide(str(name), entry, counts)
            if is_secret(str(name))
            else mask(entry, counts=counts and name not in ARGUMENTS, depth=depth + 1)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            hide(before, entry, counts)
            if is_option(before)
            else mask(without_its_secret(entry, counts), counts=counts, depth=depth + 1)
            for before, entry in zip([None, *value], value, strict=False)
        ]
    return mask_text(value) if isinstance(value, str) else value


def hide(name: str, value: Any, counts: bool) -> Any:
    """MASK in place of the secret of that name; what holds none (nothing, a truth, a count) stays."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if counts or is_counted(name) else MASK
    return MASK if value and isinstance(value, str | dict | list | tuple) else value


def without_its_secret(entry: Any, counts: bool) -> Any:
    """An entry of a list; if it is a pair like ('password', 'x'), with MASK in it."""
    if isinstance(entry, list | tuple) and len(entry) > 1 and isinstance(entry[0], str) and is_secret(entry[0]):
        name, secret, *rest = entry
        return [name, hide(name, secret, counts), *rest]
    return entry


def is_option(word: Any) -> bool:
    """Whether the next word of a command line is a secret: that after `--password`."""
    return isinstance(word, str) and word.startswith("--") and is_secret(word)


def mask_text(text: str) -> str:
    """`text` without userinfo in URLs, without the values of secret names, and without lone surrogates."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # to U+FFFD: “?” is a text
    if ":" not in text and "=" not in text and "--" not in text and text.count("(") + text.count("[") < 2:
        return text
    if "@" in text and "://" in text:
        text = USERINFO.sub("://***@", text)
    return _without_secrets(text) if _may_hold_secret(text) else text


@lru_cache(10_000)
def is_secret(name: str) -> bool:
    """Whether what stands under this name is hidden: `db_password`, `apiKey`; not `routing_key`, not `monkey`."""
    words = words_of(name)
    return SECRET.search(words) is not None and INNOCENT.fullmatch(words) is None


@lru_cache(10_000)
def is_counted(name: str) -> bool:
    """Whether a number under this name, which is a secret's, is none: `max_tokens`, `credential_id`."""
    return COUNTED.fullmatch(words_of(name)) is not None


def words_of(name: str) -> str:
    return re.sub(r"[-. ]", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name[:200])).lower()


def _may_hold_secret(text: str) -> bool:
    words = text.lower()
    return (_hints_at_secret(words) or ("pin" in words and _names_a_pin(text, words))) and (
        not text.isascii() or LIKELY.search(words) is not None or ("--" in words and OPTION.search(words) is not None)
    )


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
        or "otp" in words
        or "cvv" in words
        or "cvc" in words
    )


def _names_a_pin(text: str, words: str) -> bool:
    """`words`: the same in small letters, which beyond ASCII may have other places; there any of them will do."""
    found = words.find("pin")
    while found >= 0 and text.isascii() and not PIN.match(text, found):
        found = words.find("pin", found + 1)
    return found >= 0


def _without_secrets(text: str) -> str:
    """A secret name counts inside what is masked too: what seemed to be its quote or bracket may have been no such."""
    shown, masked_to, scanned = [], 0, 0
    for head in HEAD.finditer(text):
        if not (is_secret(head["name"]) and _names_what_follows(head)):
            continue
        start, end = head.end(), _value_end(head)
        scanned += end - start
        if scanned > MOST_SCANNED * len(text):
            end = len(text)
        if start == end or NOTHING.fullmatch(text, start, end):
            continue
        if NUMBER.fullmatch(text, start, end) and is_counted(head["name"]):
            continue
        if start >= masked_to:
            opening = STRING.match(text, start)
            quote = opening[1] + opening[2] if opening and opening.start(1) == start else ""
            shown.append(f"{text[masked_to:start]}{quote}{MASK}{quote}")
        masked_to = max(masked_to, end)
        if masked_to == len(text):
            break
    return "".join(shown) + text[masked_to:]


def _names_what_follows(head: re.Match[str]) -> bool:
    """A name in a list says something of the next element if it is an option, or the first of a pair in a list."""
    if head["listed"] is None or head["option"]:
        return True
    start = head.start()
    return PAIR.search(head.string, max(0, start - 20), start) is not None


def _value_end(head: re.Match[str]) -> int:
    text, start = head.string, head.end()
    if opening := STRING.match(text, start):
        return _string_end(text, opening.end(), len(opening[1]), opening[2])
    end = _word_end(text, _brackets_end(text, start) if text.startswith("<", start) else start)
    of_a_line = OF_A_LINE.search(head["name"]) or SCHEME.match(text, start)
    return max(end, _match_end(LINE, text, start)) if of_a_line else end


def _word_end(text: str, start: int) -> int:
    """Of a word with the brackets in it: `Secret('x')`, `['x', 'y']`."""
    while (end := _match_end(WORD, text, start)) < len(text) and text[end] in "([{":
        start = _brackets_end(text, end)
        end = start
    return end


def _match_end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _brackets_end(text: str, start: int) -> int:
    """Behind the bracket that closes the one at `start`; the end of the text when there is none."""
    awaited: list[str] = []
    while found := STRING_OR_BRACKET.search(text, start):
        start = found.end()
        if found[2]:
            start = _string_end(text, start, len(found[1]), found[2])
        elif found[0] in BRACKETS:
            awaited.append(BRACKETS[found[0]])
        elif found[0] == awaited[-1]:
            awaited.pop()
            if not awaited:
                return start
    return len(text)


def _string_end(text: str, start: int, slashes: int, quote: str) -> int:
    """Behind the quote that closes a string, opened by one with so many backslashes; the end of the text when it cannot
    be told.

    In a text within n texts an ending quote has at most 2^n - 1 backslashes, and an escaped one 2^n more than that. So
    one with others, as behind a backslash of the string's own, may be either.
    """
    step = 1 << slashes.bit_length()  # of the smallest n that there can be
    for found in CLOSING[quote].finditer(text, start):
        more = len(found[1]) - slashes
        if not more:
            return found.end()
        if more % (2 * step) != step:
            break
    return len(text)
