"""The arguments of a task as JSON texts, which are sent as they stand; and recorded ones read back to such texts.

What is recorded is what the client's Celery wrote of them (celery/utils/saferepr.py). That is not Python's repr: a text
stands between single quotes as it is, with a backslash before a single quote and before nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from data_sources.errors import BadParameter, QueryRejected
from data_sources.mask import MASK

MOST_BYTES = 10 * 2**20

SOURCE = "History"
# A backslash before a quote that something follows may be the end of a text that ends in a backslash.
TOKEN = re.compile(
    r"""'(?P<text>(?:[^'\\]|\\'(?![,\])}:]|\Z))*)'
    |   (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)(?![\w.])
    |   (?P<word>None|True|False)(?!\w)
    |   (?P<mark>,?\)|[(\[\]{}]|:[ ]|,[ ])""",
    re.VERBOSE,
)
JSON_OF = {"None": "null", "True": "true", "False": "false", "(": "[", ")": "]", ",)": "]"}
MASKED = (MASK, "://***@")


def check_args(name: str, text: str) -> None:
    """Raises BadParameter for what is no JSON list."""
    if not isinstance(parsed(name, text), list):
        raise BadParameter(name, 'must be a JSON list, such as [1, "a"]')


def check_kwargs(name: str, text: str) -> None:
    """Raises BadParameter for what is no JSON object."""
    if not isinstance(parsed(name, text), dict):
        raise BadParameter(name, 'must be a JSON object, such as {"to": "a"}')


def parsed(name: str, text: str) -> Any:
    """What is read alike by all who read JSON: no NaN, no key twice, no half character. Raises BadParameter."""

    def refuse_constant(word: str) -> NoReturn:
        raise BadParameter(name, f"holds {word}, which JSON does not know")

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise BadParameter(name, "holds an object with the same key twice")
        return table

    try:
        if len(text.encode()) > MOST_BYTES:
            raise BadParameter(name, f"is longer than {MOST_BYTES:,} bytes")
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=each_once)
    except BadParameter:
        raise
    except json.JSONDecodeError as error:
        raise BadParameter(name, f"is not JSON: {error.msg}, at character {error.pos + 1}") from None
    except UnicodeEncodeError:
        raise BadParameter(name, "holds half a character (a lone surrogate)") from None
    except (ValueError, RecursionError):  # a whole number of more than 4,300 digits; lists in lists in lists
        raise BadParameter(name, "holds a number that is too long, or too many lists within each other") from None


def recorded_arguments(args: str | None, kwargs: str | None, cut: Mapping[str, int] | None) -> tuple[str, str]:
    """The JSON texts of a recorded task's arguments: those that its worker was sent, exactly.

    `cut`: the true lengths of what was cut, as the answer of one task has it. Raises QueryRejected, which says why they
    are not known exactly.
    """
    lengths = cut or {}
    texts = (recorded("args", args, lengths.get("args")), recorded("kwargs", kwargs, lengths.get("kwargs")))
    for check, name, text in zip((check_args, check_kwargs), ("args", "kwargs"), texts, strict=True):
        try:
            check(name, text)
        except BadParameter:
            refuse(name, "hold what JSON does not know, so it is not known how they were sent")
    return texts


def recorded(name: str, text: str | None, length: int | None) -> str:
    """One of the two as JSON."""
    if not text:
        refuse(name, "are not recorded: HISTORY_HIDE_ARGUMENTS is on, or the client does not tell them")
    if length is not None:
        refuse(name, f"are not recorded as a whole: they are {length:,} characters long, and only the first are kept")
    if any(mask in text for mask in MASKED):
        refuse(name, "hold a secret, which is not recorded")
    if "\N{REPLACEMENT CHARACTER}" in text:
        refuse(name, "hold a character that is not recorded")
    return "".join(json_tokens(name, text))


def json_tokens(name: str, text: str) -> list[str]:
    tokens, place = [], 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            refuse_at(name, text[place:])
        place = found.end()
        if found["text"] is None:
            word = found[0].rstrip()
            token = JSON_OF.get(word, word)
        elif found["text"].endswith("..."):
            refuse(name, "hold a text that ends with “...”: the client may have cut it")
        else:
            token = json.dumps(found["text"].replace("\\'", "'"))
        is_key = text.startswith(": ", place) and not token.startswith('"')
        tokens.append(json.dumps(token) if is_key else token)  # JSON's keys are texts
    return tokens


def refuse_at(name: str, rest: str) -> NoReturn:
    if re.match(r"[\w+-]*\.\.\.", rest):
        refuse(name, "are not told as a whole: the client has cut them, or left out what is nested deeply")
    if rest.startswith("'"):
        refuse(name, "hold a backslash or a quote of which it is not recorded what it stands for")
    refuse(name, "hold a value that JSON does not know, so it is not known how it was sent")


def refuse(name: str, why: str) -> NoReturn:
    words = {"args": "positional arguments", "kwargs": "keyword arguments"}
    raise QueryRejected(SOURCE, f"its {words[name]} {why}", "Fill them in yourself.", name)
