"""The arguments of a task as JSON texts, which are sent as they stand."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from data_sources.errors import BadParameter

MOST_BYTES = 10 * 2**20


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
