"""The files the browser needs, all from this server: our modules, the style, and plotly.js."""

from __future__ import annotations

import hashlib
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
# How those of ours begin that are fetched when they are wanted, or by few.
LATER = (
    *("comparison", "family", "filters", "load", "lookup", "notice", "picture", "runtimes", "timeline"),
    *("explore", "export", "notebook", "promql", "prose", "recent", "share", "steer", "take", "threshold"),
    "plotly",
)


def modules() -> list[str]:
    """The addresses of all modules every page needs: ours, and Streamlit's for components."""
    parts = [path for part in COMPONENT_PARTS for path in STREAMLIT.glob(f"{part}.*.js")]
    own = [url(name) for name in FILES if name.endswith(".js") and not name.startswith(LATER)]
    return own + [f"/static/js/{path.name}" for path in parts]


# For `Link`: fetched beside Streamlit's own start.
LINKS = (
    *(f"<{path}>; rel=modulepreload" for path in modules()),
    f"<{url('style.css')}>; rel=preload; as=style",
    f"<{url('plotly.js')}>; rel=preload; as=script",
)
# Runs behind Streamlit's own module: it picks the moment to start plotly.js.
SCRIPTS = (url("library.js"),)
