"""A field for the id of one thing, that leads to its page."""

from __future__ import annotations

from cells import component


def lookup(name: str, title: str, line: str, page: str, field: str, **params: str) -> None:
    """What is typed becomes the parameter `field` of `page`, beside `params`."""
    data = {"title": title, "line": line, "page": page, "field": field, "params": params}
    component.draw("lookup", key=f"cn_{name}", data=data)
