"""The files the browser needs, all from this server: our modules, the style, and plotly.js."""

from __future__ import annotations

import hashlib
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path


def folder_of(package: str) -> Path:
    """Without importing it: a file is written without Streamlit too."""
    found = find_spec(package)
    assert found
    assert found.origin
    return Path(found.origin).parent


BROWSER = Path(__file__).parent / "browser"
# The bundle of lines and bars draws everything here at a quarter of the weight; `make install` fetches it where npm is.
BASIC = Path(__file__).parent / "vendor" / "plotly-basic.min.js"
FULL = folder_of("plotly") / "package_data" / "plotly.min.js"

# Plotly.js wraps itself in functions, each of which V8 would read whole once more when it is called, on the thread that
# draws: 0.2 s. The comment (V8's explicit compile hints) has all of it compiled beside, while it is loading.
COMPILE_WHOLE = b"//# allFunctionsCalledOnLoad\n"

FILES = {path.name: path.read_bytes() for path in sorted([*BROWSER.glob("*.js"), *BROWSER.glob("*.css")])}
FILES["plotly.js"] = COMPILE_WHOLE + (BASIC if BASIC.is_file() else FULL).read_bytes()

# In the path, so that modules importing each other agree on it and every file can be cached for ever.
VERSION = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:12]


def url(name: str) -> str:
    return f"/assets/{VERSION}/{name}"


STREAMLIT = folder_of("streamlit") / "static" / "static" / "js"
# Streamlit's parts that draw a component, which it fetches only when the first one comes.
COMPONENT_PARTS = ("BidiComponent", "serialization", "recordbatch", "_arrayReduce")
IMPORT = re.compile(rb'^import .* from "\./([\w-]+\.js)";', re.MULTILINE)  # what is fetched when it is wanted is called
# What a page draws with beside draw.js and what that imports; other modules are fetched when they are wanted.
OF_PAGE = {
    "tasks": ("filters.js",),
    "task": ("lookup.js", "picture.js"),
    "schedule": ("picture.js",),
    "explore": ("explore.js", "explore.css"),
    "notebooks": ("notebook.js", "notebook.css"),
    "notebook": ("notebook.js", "notebook.css"),
    "snapshots": ("share-list.js",),
}
WITHOUT_PLOTS = ("task", "schedule", "notebooks", "snapshots", "run", "audit", "setup")


@cache
def with_imports(*names: str) -> tuple[str, ...]:
    """These modules, all that they import, and what those do."""
    found = [*names]
    for name in found:  # which grows meanwhile
        found += [new for new in map(bytes.decode, IMPORT.findall(FILES[name])) if new not in found]
    return tuple(found)


@lru_cache(64)  # anybody may ask for any path
def tags(page: str) -> str:
    """Of HTML, for the end of the head of the page at this path: what it is drawn with, fetched after Streamlit's own.

    The modules of the last run behind Streamlit's, in time that is otherwise lost: until its server has answered.
    """
    own = OF_PAGE.get(page, ())
    modules = with_imports("draw.js", *(name for name in own if name.endswith(".js")))
    styles = ("style.css", *(name for name in own if name.endswith(".css")))
    parts = [f"/static/js/{path.name}" for part in COMPONENT_PARTS for path in STREAMLIT.glob(f"{part}.*.js")]
    plots = page not in WITHOUT_PLOTS
    loaded = [
        *(f'rel="modulepreload" href="{path}"' for path in [*map(url, modules), *parts]),
        *(f'rel="preload" as="style" href="{url(name)}"' for name in styles),
        *([f'rel="preload" as="script" href="{url("plotly.js")}"'] if plots else []),
    ]
    run = ["draw.js", *(["plotly-start.js"] if plots else [])]
    return "".join(
        [
            *(f'<link {what} fetchpriority="low">' for what in loaded),
            *(f'<script type="module" src="{url(name)}"></script>' for name in run),
        ]
    )
