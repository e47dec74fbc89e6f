"""Whether who looks at this page may change something."""

from __future__ import annotations

import streamlit as st

from control import desk
from identity import Person, of_headers


def operator() -> Person | None:
    """The operator who looks at this page, as long as the guard's word of that holds; None for anybody else."""
    person = of_headers(st.context.headers)
    return person if person.controls and desk.desk().enabled else None
