"""Where the answer of a notebook's cell is had as a file; routes/export_notebook.py gives it."""

from __future__ import annotations

from urllib.parse import urlencode

from data_sources import ask
from data_sources.fields import Params
from data_sources.scope import Scope, iso
from notebooks.editing.editor import WAYS
from notebooks.variables import PREFIX

OWN = (*WAYS, "revision", "snapshot", "step", "shape")  # besides its variables what says which file it is


def cell_address(kind: str, cell: str, given: Params, scope: Scope) -> str:
    """With the times that `scope` has now; `given` are the parameters of whoever looks at the notebook."""
    window = ask.desk().window(scope)
    own = [(name, value) for name, value in given if name in OWN or name.startswith(PREFIX)]
    more = [("cell", cell), ("from", iso(window.start)), ("to", iso(window.end)), ("cluster", scope.cluster)]
    return f"/export.{kind}?{urlencode([*own, *more])}"
