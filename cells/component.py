"""Mounts our browser modules as Streamlit components; the code itself is fetched once, as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from cells import assets

# Streamlit sends a component's script with each of its messages, so that is four lines that load the real one.
LOADER = """
const base = location.origin, style = "{style}";
if (!document.querySelector(`link[href="${{style}}"]`)) {{
  document.head.append(Object.assign(document.createElement("link"), {{ rel: "stylesheet", href: style }}));
}}
const loading = import(new URL("{module}", base).href);
export default function (component) {{
  let ended = false, end = () => {{}};
  loading.then((module) => {{ if (!ended) end = module.draw(component); }});
  return () => {{ ended = true; end(); }};
}}
"""


def component(module: str) -> Callable[..., Any]:
    """The mounting command of `cells/browser/<module>.js`: takes key, data and on_<trigger>_change."""
    script = LOADER.format(style=assets.url("style.css"), module=assets.url(f"{module}.js"))
    return st.components.v2.component(
        f"celery_notebook_{module}", html='<div class="cn-root"></div>', js=script, isolate_styles=False
    )
