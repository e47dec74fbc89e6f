"""A notebook on a page: its head, its variables, and its cells, each live, with what changes it above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from cells import component, controls
from cells.asking import answers_to
from cells.cell_payload import cell_payload
from cells.page_view import View
from cells.share import notebook_of
from cells.show import ask_too, live, show
from data_sources import ask
from data_sources.answer import Answer
from data_sources.errors import BadParameter, SourceError
from data_sources.fields import Fields
from data_sources.query import Depths, Query, Workers
from data_sources.scope import Scope
from data_sources.task_query import TaskNames
from identity import of_headers
from notebooks import needs, run
from notebooks.cell_address import cell_address
from notebooks.editing.editor import MOST_MESSAGES, WAYS, Editor, open_notebook, told
from notebooks.editing.edits import Edited
from notebooks.editing.payload import bar_payload, end_payload, head_payload, threshold_payload, variables_payload
from notebooks.error import NotebookError
from notebooks.notebook import Ask, Cell, Notebook, Sql, Threshold
from notebooks.taken import asked, drawn
from notebooks.text import file
from notebooks.threshold import judged
from notebooks.variables import Values, choices, chosen, query
from workspace import notebooks
from workspace.notebooks import Revision
from workspace.opened import opened

MOST_EDITORS = 20  # in a session, each with its undo
KNOWN: dict[str, tuple[Query, str]] = {
    "queue": (Depths(), "queue"),
    "worker": (Workers(), "worker"),
    "name": (TaskNames(), "name"),
}


def editor_here() -> Editor:
    """That of the snapshot, or of the page's address. Raises NotebookError, BadParameter and SourceError."""
    view = controls.current()
    sealed = notebook_of(view)
    editor = sealed_editor(sealed, view) if sealed else editor_of_address()
    st.session_state["cn_notebook_text"] = editor.text(view.scope.range)  # for a snapshot of this page
    return editor


def sealed_editor(text: str, view: View) -> Editor:
    """What is opened in it stays so for this session."""
    unfolded: dict[str, set[str]] = st.session_state.setdefault("cn_unfolded", {})
    return Editor(Edited(file.read(text)), sealed=True, unfolded=unfolded.setdefault(view.scope.snapshot, set()))


def editor_of_address() -> Editor:
    """What is changed lives in the session, under its draft's id; what is not is read anew. Raises as `editor_here`."""
    editors: dict[str, Editor] = st.session_state.setdefault("cn_editors", {})
    fields = controls.fields()
    here = place(fields)
    if here not in editors or not editors[here].is_touched:
        first, editors[here] = here not in editors, open_notebook(fields)
        if first and not {"range", "from"} & fields.keys():
            controls.set_params(editors[here].now.range.to_params())
            st.rerun()
    editor = editors[here]
    if brought := st.session_state.pop("cn_taken", None):
        title, cells = brought
        editor.take(title, cells, controls.current().scope.range, of_headers(st.context.headers).name)
        go_on(editor)
    return editor


def place(params: Fields) -> str:
    """What tells notebooks apart in a session."""
    return repr([(name, tuple(params[name])) for name in (*WAYS, "revision") if params.get(name)])


def go_on(editor: Editor) -> None:
    """Under the address that it has by now. What could not be kept has none, and stays where it is."""
    fields = controls.fields()
    here, there = place(fields), place({name: (value,) for name, value in editor.address.items() if value})
    if here == there or not (editor.draft or editor.id or "draft" in fields):
        return
    editors: dict[str, Editor] = st.session_state["cn_editors"]
    editors.pop(here, None)  # whoever opens that again finds it as it was
    editors[there] = editor
    while len(editors) > MOST_EDITORS:
        editors.pop(next(iter(editors)))
    controls.set_params(editor.address)


def show_notebook(editor: Editor) -> None:
    view = controls.current()
    values, trouble = values_of(editor.now)
    show_head(editor, view, values)
    show_variables(editor.now, values, trouble)
    for at, cell in enumerate(editor.now.cells):
        shows, trouble = shown_by(editor.now, cell, values, view)
        with st.container(key=f"cn_at_{cell.name}", gap=None):  # while cells move none is there twice
            component.notebook("bar", key=f"cn_bar_{cell.name}", data=bar_payload(editor, at, trouble, heard()))
            if not editor.is_closed(cell):
                shows()
            elif isinstance(cell, Ask):
                ask_too(questions_of(cell, values, view))
    if not editor.sealed:
        component.notebook("bar", key="cn_bar", data=end_payload(editor.now))


def values_of(notebook: Notebook) -> tuple[Values, str]:
    """What the address chooses; of what it cannot choose the defaults, and why."""
    cluster = controls.current().scope.cluster
    try:
        return chosen(notebook.variables, controls.fields(), cluster), ""
    except BadParameter as error:
        return chosen(notebook.variables, {}, cluster), f"{error.name} {error.message}"


def show_head(editor: Editor, view: View, values: Values) -> None:
    known = answers_to({name: query for name, (query, _) in KNOWN.items()}, controls.current().scope)
    choices = {name: names(known[name], column) for name, (_, column) in KNOWN.items()}
    data = head_payload(editor, view, heard(), choices, columns(editor.now, values), revisions_of(editor.id))
    component.notebook("head", key="cn_notebook", data=data, on_say_change=partial(hear, editor))


def revisions_of(id: str) -> list[Revision]:
    """Those that are kept; none, and why, where they cannot be read: what is edited goes on without them."""
    try:
        return notebooks.history(opened(), id) if id else []
    except SourceError as error:
        controls.notice(told(error))
        return []


def names(answer: Answer, column: str) -> list[str]:
    return sorted({str(name) for name in answer.frame[column].dropna()})


def columns(notebook: Notebook, values: Values) -> dict[str, list[str]]:
    """Of each question what is known to come back, as its table has it in SQL."""
    found: dict[str, list[str]] = {}
    for cell in notebook.cells:
        if isinstance(cell, Ask):
            try:
                answer = ask.ask(first_query(cell, values), run.scope_of(cell, controls.current().scope))
            except BadParameter:
                continue
            found[cell.name] = [str(name) for name in answer.frame]
    return found


def heard() -> int:
    """The number of the last message from this session's browser."""
    return int(st.session_state.get("cn_notebook_heard", 0))


def hear(editor: Editor) -> None:
    """Messages of the browser, read with suspicion."""
    said = st.session_state.get("cn_notebook", {}).get("say")
    who = of_headers(st.context.headers).name
    for message in said[:MOST_MESSAGES] if isinstance(said, list) else ():
        match message:
            case {"n": int(n)} if n > heard():
                st.session_state["cn_notebook_heard"] = n
                editor.obey(message, controls.current().scope.range, who)
    go_on(editor)


def show_variables(notebook: Notebook, values: Values, trouble: str) -> None:
    if not notebook.variables and not trouble:
        return

    def draw(answers: Mapping[str, Answer]) -> None:
        data = {"variables": variables_payload(notebook.variables, values, answers), "trouble": trouble}
        component.notebook("variables", key="cn_variables", data=data)

    live({one.name: query for one in notebook.variables if (query := choices(one))}, draw)


def shown_by(notebook: Notebook, cell: Cell, values: Values, view: View) -> tuple[Callable[[], None], str]:
    """What shows it, and why it cannot be shown: "" when it can. Prose stands with what changes it."""
    try:
        match cell:
            case Ask():
                return partial(show, asked(cell, values), view_of(cell, view)), ""
            case Sql():
                return shown_derived(notebook, cell, cell.name, values, view), ""
            case Threshold():
                return shown_derived(notebook, cell, cell.of, values, view), ""
    except BadParameter as error:
        return nothing, f"{error.name} {error.message}"
    except NotebookError as error:
        return nothing, error.message
    return nothing, ""


def view_of(cell: Ask, view: View) -> View:
    return replace(view, scope=run.scope_of(cell, view.scope), page=view.scope.range if cell.range else None)


def questions_of(cell: Ask, values: Values, view: View) -> list[tuple[Query, Scope]]:
    """Of a cell that is closed: a snapshot holds what it asks, so that it can be opened there."""
    try:
        return [(query, run.scope_of(cell, view.scope)) for query in asked(cell, values).queries.values()]
    except BadParameter:
        return []


def nothing() -> None:
    pass


def shown_derived(notebook: Notebook, cell: Sql | Threshold, of: str, values: Values, view: View) -> Callable[[], None]:
    """Shows SQL, or what is judged: made of other cells' answers. Raises NotebookError, BadParameter."""
    questions = needs.questions(notebook, cell.name)
    live_queries = {one.name: first_query(one, values) for one in questions if not one.range}
    pinned = {one.name: (first_query(one, values), run.scope_of(one, view.scope)) for one in questions if one.range}

    def derive(answers: Mapping[str, Answer], wait_seconds: float) -> dict[str, Answer]:
        own = {name: ask.ask(query, scope, wait_seconds) for name, (query, scope) in pinned.items()}
        return own | {"derived": run.derived(notebook, of, {**answers, **own}, values, view.scope, wait_seconds)}

    def draw(answers: Mapping[str, Answer]) -> None:
        answer = answers["derived"]
        if isinstance(cell, Sql):
            data = cell_payload(drawn(cell, answer), [[answer]], view)
            given = [(name, value) for name, values in controls.fields().items() for value in values]
            href = cell_address("csv", cell.name, given, view.scope)
            data["rows"][0]["csv"] = [{"label": cell.name, "href": href}]
            component.draw("cell", key=f"cn_{cell.name}", data={**data, "takes": False})
        else:
            data = threshold_payload(cell, judged(cell, answer), answer.pending)
            component.notebook("threshold", key=f"cn_{cell.name}", data=data)

    def shows() -> None:
        ask_too(pinned.values())
        live(live_queries, draw, view, derive)

    return shows


def first_query(cell: Ask, values: Values) -> Query:
    return query(cell.rows[0].layers[0], values)
