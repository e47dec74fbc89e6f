"""What a page's runs remember of the cells that they show."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from cells.controls import TAKE_ALL


def shown_and_taken(name: str) -> None:
    """A run shows two cells; the next is broken off when it has shown the first, by a click that takes `name`."""
    import streamlit as st

    from cells import show
    from cells.cell import Cell

    for cells in (("flow", "queues"), ("flow",)):
        show.begin("queues")
        for cell in cells:
            show.shown()[cell] = Cell(cell, cell, "", ())
        if len(cells) == 2:
            show.ended()
    show.take(name, "Queues")
    title, taken = st.session_state["cn_taken"]
    st.write(title, *(cell.name for cell in taken))


@pytest.mark.parametrize(("name", "taken"), [("queues", "Queues queues"), (TAKE_ALL, "Queues flow queues")])
def test_what_a_run_had_not_shown_yet_when_a_click_broke_it_off_is_taken(name: str, taken: str) -> None:
    app = AppTest.from_function(shown_and_taken, args=(name,), default_timeout=60).run()

    assert not app.exception
    assert app.markdown[0].value == taken


def test_what_the_page_shows_no_more_is_not_taken() -> None:
    def script() -> None:
        import streamlit as st

        from cells import show
        from cells.cell import Cell

        for path, cell in (("queues", "flow"), ("queues", "queues"), ("workers", "workers")):
            show.begin(path)
            show.shown()[cell] = Cell(cell, cell, "", ())
            if path == "queues":
                show.ended()
        show.take("*", "Workers")
        st.write(*(cell.name for cell in st.session_state["cn_taken"][1]))

    app = AppTest.from_function(script, default_timeout=60).run()

    assert not app.exception
    assert app.markdown[0].value == "workers"
