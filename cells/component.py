"""Mounts our browser modules in Streamlit; their code is fetched once, as files."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cells import assets


def loader(module: str, style: str) -> str:
    """Streamlit sends a component's script with each of its messages, so that is a few lines that load the real one."""
    return f"""
const style = "{assets.url(style)}";
if (!document.querySelector(`link[rel=stylesheet][href="${{style}}"]`)) {{
  document.head.append(Object.assign(document.createElement("link"), {{ rel: "stylesheet", href: style }}));
}}
const loading = import(new URL("{assets.url(module)}", location.origin).href);
export default function (component) {{
  let ended = false, end = () => {{}};
  loading.then((module) => {{ if (!ended) end = module.draw(component); }});
  return () => {{ ended = true; end(); }};
}}
"""


def mounted(name: str, module: str, style: str) -> Any:
    root = '<div class="cn-root"></div>'
    return st.components.v2.component(name, html=root, js=loader(module, style), isolate_styles=False)


_mount = mounted("celery_notebook", "draw.js", "style.css")
_mount_steer = mounted("celery_notebook_steer", "steer.js", "steer.css")  # which nobody but an operator is sent
_mount_notebook = mounted("celery_notebook_notebook", "notebook.js", "notebook.css")
_mount_snapshots = mounted("celery_notebook_snapshots", "share-list.js", "style.css")


def draw(kind: str, *, key: str, data: dict[str, Any], **callbacks: Any) -> Any:
    """Draws `data` as `kind`, one of those in draw.js. Triggers come back as attributes, given on_<name>_change."""
    return _mount(key=key, data={**data, "kind": kind}, **callbacks)


def steer(*, key: str, data: dict[str, Any], **callbacks: Any) -> Any:
    """Draws what an operator may do, see cells/steer.py."""
    return _mount_steer(key=key, data=data, **callbacks)


def notebook(kind: str, *, key: str, data: dict[str, Any], **callbacks: Any) -> Any:
    """Draws what a notebook is written with: `kind` is one of those in notebook.js."""
    return _mount_notebook(key=key, data={**data, "kind": kind}, **callbacks)


def snapshots(*, key: str, data: dict[str, Any], **callbacks: Any) -> Any:
    """Draws the list of snapshots, see cells/snapshot_list.py."""
    return _mount_snapshots(key=key, data=data, **callbacks)
