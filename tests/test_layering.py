"""The way runs one direction: a folder imports only from those above it in the list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cells.assets import FILES, IMPORT, with_imports

ROOT = Path(__file__).resolve().parents[1]
ORDER = (
    "data_sources",
    "exports",
    "recorder",
    "workspace",
    "identity",
    "control",
    "charts",
    "headlines",
    "cells",
    "notebooks",
    "routes",
    "pages",
    "shell",
)
UI = {"streamlit", "plotly"}
CLIENTS = {"requests", "httpx", "aiohttp", "redis", "kombu", "celery", "amqp"}


def imports(file: Path) -> Iterator[str]:
    """The modules a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def imported_tops(name: str) -> dict[Path, set[str]]:
    """What each file of a folder, or of a module `name`.py, imports, by first names."""
    files = [*(ROOT / name).rglob("*.py"), *ROOT.glob(f"{name}.py")]
    return {file.relative_to(ROOT): {module.split(".")[0] for module in imports(file)} for file in files}


@pytest.mark.parametrize("name", ORDER)
def test_a_folder_imports_only_from_those_above_it(name: str) -> None:
    below = {*ORDER[ORDER.index(name) + 1 :], "dashboard", "demo", "tests", "benchmarks"}

    assert {file: tops & below for file, tops in imported_tops(name).items() if tops & below} == {}


@pytest.mark.parametrize("name", ["data_sources", "identity"])
def test_what_knows_nothing_of_the_screen_imports_nothing_of_it(name: str) -> None:
    files = imported_tops(name)

    assert files
    assert {file: tops & UI for file, tops in files.items() if tops & UI} == {}


def test_charts_draw_and_never_ask() -> None:
    wanted = {"data_sources.ask", "streamlit"}
    files = {file: set(imports(file)) & wanted for file in (ROOT / "charts").rglob("*.py")}

    assert {file: found for file, found in files.items() if found} == {}


@pytest.mark.parametrize("name", ORDER[ORDER.index("charts") :])
def test_above_the_data_sources_nobody_speaks_to_a_broker_or_an_api(name: str) -> None:
    assert {file: tops & CLIENTS for file, tops in imported_tops(name).items() if tops & CLIENTS} == {}


@pytest.mark.parametrize("name", ORDER)
def test_imports_are_absolute_so_that_they_can_be_read(name: str) -> None:
    assert [file for file, tops in imported_tops(name).items() if "" in tops] == []


def test_the_shells_folder_holds_nothing_that_could_shadow_another_module() -> None:
    # Streamlit puts the script's folder first on the path, so any file beside it could be imported by accident.
    assert [path.name for path in (ROOT / "shell").glob("*.py") if path.name != "main.py"] == []


def test_the_rooms_of_the_sources_are_named_where_folders_are_explained() -> None:
    rooms = {path.parent.name for path in (ROOT / "data_sources").glob("*/__init__.py")}
    [line] = [line for line in (ROOT / "docs/architecture.md").read_text().splitlines() if "| `data_sources/`" in line]
    assert {name.rstrip("/") for name in re.findall(r"`(\w+/)`", line)} - {"data_sources"} == rooms


def test_no_module_of_the_browser_imports_itself_by_way_of_others() -> None:
    modules = {name: map(bytes.decode, IMPORT.findall(code)) for name, code in FILES.items() if name.endswith(".js")}

    assert [name for name, imported in modules.items() if name in with_imports(*imported)] == []
