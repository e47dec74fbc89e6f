"""A notebook or a page as one HTML file that needs nothing else: no server, no network.

Its pieces are payloads (cells/payload.py) that stand in it as JSON and are drawn by the very modules of a page, so
plots zoom and tables sort. The modules become data: addresses in an import map: a file on a disk has no origin, and a
browser imports nothing from beside it.

The policy in its head lets no request out, so nothing that is read in it can be told to anybody. Scripts are those
with a hash in it, and modules from data: addresses; styles may be inline since plotly.js sets them on elements.
"""

from __future__ import annotations

import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import orjson

from cells.assets import FILES
from data_sources.microseconds import ms
from exports.plain_values import plain

Piece = Mapping[str, Any]  # a payload with its `kind`: cell, headline, prose or threshold

OWN = Path(__file__).parent / "html"
THEME = Path(__file__).parents[1] / ".streamlit" / "config.toml"
IMPORT = re.compile(rb'(\bfrom |\bimport |\b(?:import|later)\()"\./([\w-]+\.js)"')
NOTHING = b'{"told": null}'
LEFT_OUT = ("take.js",)  # leads to a notebook on the server


def html(title: str, pieces: Sequence[Piece], made_at: datetime, *, line: str = "", address: str = "") -> bytes:
    """`address`: of the dashboard, where links lead to; "" leaves them as text."""
    told = {"title": title, "line": line, "address": address, "made": ms(made_at), "pieces": pieces}
    return empty().replace(NOTHING, in_json(orjson.dumps(plain(told))))


@cache
def empty() -> bytes:
    """The file as it is before it is known what stands in it: `NOTHING` does, in its place."""
    scripts = (in_script(FILES["plotly.js"]), b'import "cn/main.js";')
    imports = orjson.dumps({"imports": {f"cn/{name}": module_address(name) for name in modules()}})
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(hash_of, (imports, *scripts)))} data:",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",  # a plot on its way to becoming a PNG
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return b"\n".join(
        (
            b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'.encode(),
            b'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Celery Notebook</title>',
            b"<style>%s</style></head>" % b"\n".join((colours().encode(), FILES["style.css"], source("file.css"))),
            b'<body class="cn-root"><noscript>This file is drawn by scripts, all of them in it.</noscript>',
            b'<script type="application/json" id="told">%s</script>' % NOTHING,
            b'<script type="importmap">%s</script>' % imports,
            b"<script>%s</script>" % scripts[0],
            b'<script type="module">%s</script>' % scripts[1],
            b"</body></html>\n",
        )
    )


def in_json(text: bytes) -> bytes:
    """JSON that no browser can take for the end of its script, or for a comment in it."""
    return text.replace(b"<", b"\\u003c")


def in_script(code: bytes) -> bytes:
    """The same of a script, in whose texts and patterns a backslash before these signs says nothing new."""
    return code.replace(b"</script", b"<\\/script").replace(b"<!--", b"<\\!--")


def hash_of(script: bytes) -> str:
    return f"'sha256-{b64encode(sha256(script).digest()).decode()}'"


def source(name: str) -> bytes:
    """A module or style; some of a page are others in a file."""
    own = OWN / name
    return own.read_bytes() if own.is_file() else FILES[name]


@cache
def modules() -> tuple[str, ...]:
    """main.js and all that it imports, and those import, now or when it is wanted."""
    found = ["main.js"]
    for name in found:  # which grows meanwhile
        found += [new for new in imported(name) if new not in found]
    return tuple(found)


def imported(name: str) -> Iterator[str]:
    found = (match[2].decode() for match in IMPORT.finditer(source(name)))
    return (name for name in found if name not in LEFT_OUT)


@cache
def module_address(name: str) -> str:
    code = IMPORT.sub(rb'\1"cn/\2"', source(name))
    return f"data:text/javascript;base64,{b64encode(code).decode()}"


@cache
def colours() -> str:
    """Those of the pages, light and dark, under the names that the style knows them by."""
    theme = tomllib.loads(THEME.read_text())["theme"]
    light, dark = (variables(theme[kind]) for kind in ("light", "dark"))
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root:not([data-paper]) {{ {dark} }} }}"


def variables(theme: Mapping[str, object]) -> str:
    named = {re.sub("([A-Z])", r"-\1", name).lower(): value for name, value in theme.items()}
    return " ".join(f"--st-{name}: {value};" for name, value in named.items() if isinstance(value, str))
