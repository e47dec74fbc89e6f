"""Mounts our browser modules in Streamlit; their code is fetched once, as files."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cells import assets

# Streamlit sends a component's script with each of its messages, so that is a few lines that load the real one.
LOADER = f"""
const style = "{assets.url("style.css")}";
if (!document.querySelector(`link[href="${{style}}"]`)) {{
  document.head.append(Object.assign(document.createElement("link"), {{ rel: "stylesheet", href: style }}));
}}
const loading = import(new URL("{assets.url("draw.js")}", location.origin).href);
export default function (component) {{
  let ended = false, end = () => {{}};
  loading.then((module) => {{ if (!ended) end = module.draw(component); }});
  return () => {{ ended = true; end(); }};
}}
"""

_mount = st.components.v2.component(
    "celery_notebook", html='<div class="cn-root"></div>', js=LOADER, isolate_styles=False
)


def draw(kind: str, *, key: str, data: dict[str, Any], **callbacks: Any) -> Any:
    """Draws `data` as `kind`, one of those in draw.js. Triggers come back as attributes, given on_<name>_change."""
    return _mount(key=key, data={**data, "kind": kind}, **callbacks)
