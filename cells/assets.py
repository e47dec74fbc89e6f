"""The files the browser needs, all from this server: our modules, the style, and plotly.js."""

from __future__ import annotations

import hashlib
from pathlib import Path

import plotly

BROWSER = Path(__file__).parent / "browser"
# The cartesian bundle draws everything here at a third of the weight; `make install` fetches it where npm is.
CARTESIAN = Path(__file__).parent / "vendor" / "plotly-cartesian.min.js"
FULL = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

FILES = {path.name: path for path in sorted([*BROWSER.glob("*.js"), *BROWSER.glob("*.css")])}
FILES["plotly.js"] = CARTESIAN if CARTESIAN.is_file() else FULL

# In the path, so that modules importing each other agree on it and every file can be cached for ever.
VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in FILES.values())).hexdigest()[:12]


def url(name: str) -> str:
    return f"/assets/{VERSION}/{name}"


# What every page needs at once, for `Link: rel=preload` beside Streamlit's own start.
PRELOAD = (
    *(f"<{url(name)}>; rel=modulepreload" for name in FILES if name.endswith(".js") and name != "plotly.js"),
    f"<{url('plotly.js')}>; rel=preload; as=script",
    f"<{url('style.css')}>; rel=preload; as=style",
)
