"""Settings as somebody gave them, read one by one: what cannot be used is an error that names the setting."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from data_sources.config import Secret
from data_sources.errors import BadParameter, ConfigError
from data_sources.scope import parse_duration

TRUTHS = {"": False, "false": False, "no": False, "off": False, "0": False}
TRUTHS |= {"true": True, "yes": True, "on": True, "1": True}


@dataclass(frozen=True)
class Given:
    """The settings somebody gave: their values as written, by name, and the words to name each in an error."""

    values: Mapping[str, object]
    words: Mapping[str, str]

    def error(self, name: str, message: str) -> ConfigError:
        return ConfigError(self.words.get(name, name.upper()), message)

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise self.error(name, "must be text")
        if not value.isprintable():
            raise self.error(name, "holds a line break or an unprintable character")
        return value.strip()

    def secret(self, name: str) -> Secret | None:
        text = self.text(name)
        return Secret(text) if text else None

    def truth(self, name: str) -> bool:
        """True or false; false when nothing is said."""
        word = str(self.values.get(name, "")).strip().lower()
        if word not in TRUTHS:
            raise self.error(name, "must be true or false")
        return TRUTHS[word]

    def size_bytes(self, name: str) -> int | None:
        """A size such as 500MB, in steps of a thousand; at least a megabyte."""
        text = str(self.values.get(name, "")).strip()
        found = re.fullmatch(r"(\d{1,9})(\.\d{1,3})?\s?([kMGT])?i?B?", text, re.ASCII)
        if not text:
            return None
        size = int(float(found[1] + (found[2] or "")) * 1000 ** " kMGT".index(found[3] or " ")) if found else 0
        if not 10**6 <= size <= 10**15:
            raise self.error(name, "must be a size such as 500MB or 2GB, from 1MB to 1000TB")
        return size

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of TOML, or words separated by commas."""
        value = self.values.get(name) or default
        words = value.split(",") if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) and word.strip() for word in words):
            raise self.error(name, "must be a list of words, in the environment separated by commas")
        return tuple(word.strip() for word in words)

    def seconds(self, name: str) -> timedelta | None:
        """Seconds, or a duration such as 12h."""
        value = self.values.get(name)
        if value in (None, ""):
            return None
        try:
            return parse_duration(str(value).strip(), name)
        except BadParameter:
            raise self.error(name, "must be seconds or a duration such as 12h, at most 366d") from None

    def mapping(self, name: str, else_: str = "") -> dict[str, Any]:
        """A table of TOML, or a JSON object in text. `else_`: what else it may be, for the error."""
        value = self.values.get(name) or {}
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, dict):
            message = f'must be {else_}a table, in the environment a JSON object such as {{"name": "value"}}'
            raise self.error(name, message)
        return value

    def inside(self, name: str) -> Given:
        """What stands in the mapping `name`, as settings of their own."""
        values = self.mapping(name)
        return Given(values, {key: f"{self.words.get(name, name.upper())} {key}" for key in values})

    def pairs(self, name: str, names: str, kind: str) -> dict[str, str]:
        """A mapping of texts of one line, whose `names` a regular expression fits."""
        pairs = self.mapping(name)
        for key, value in pairs.items():
            if not re.fullmatch(names, key, re.ASCII):
                raise self.error(name, f"holds a name that is not a {kind} name")
            if not (isinstance(value, str) and value.isprintable()):
                raise self.error(name, f"{key} must be a text of one line")
        return pairs
