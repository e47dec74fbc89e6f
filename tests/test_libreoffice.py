"""Our CSV as LibreOffice opens it: nothing is lost, and nothing runs. Skipped where it is not installed."""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from exports.csv_text import csv_chunks

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
pytestmark = pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed (a download of 300 MB)")

COMMA, QUOTE, UTF8 = 44, 34, 76
AS_IT_OPENS = f"Text - txt - csv (StarCalc):{COMMA},{QUOTE},{UTF8},1"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE_NS = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", '=HYPERLINK("http://x.example";"y")', "=cmd|' /C calc'!A0"]
WIDE = ["＝1+1", "＋1+1", "－1+1", "＠SUM(A1)"]
WHOLE = ['say "hi", all', "two\nlines", "a;b\tc", "😀 żółć 任务", "'quoted'", "</script>", "shop.tasks.send"]
NUMBERS = [0.0, -5.0, 0.1, 1.5e-9, 17179869184.0, 123456789012345.0, -1234567.25]  # Calc shows and keeps 15 digits
TIMES = ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.250Z", "2026-12-31T23:59:59Z"]


@dataclass(frozen=True)
class Cell:
    kind: str  # LibreOffice's: string, float, date ...; "" of an empty one
    value: str
    text: str
    formula: str | None


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Cell]]:
    """What LibreOffice makes of a file of ours, converted to its own format, by column."""
    texts = [*FORMULAS, *WIDE, *WHOLE]
    rows = len(texts)
    frame = pd.DataFrame(
        {
            "text": pd.Series(texts, dtype="str"),
            "label": pd.Categorical(texts),
            "number": pd.Series([*NUMBERS, *[math.nan] * (rows - len(NUMBERS))]),
            "time": pd.to_datetime([*TIMES, *[None] * (rows - len(TIMES))], format="ISO8601").as_unit("ms"),
            "last": ["end"] * rows,
        }
    )
    return opened_in_office(b"".join(csv_chunks(frame)), tmp_path_factory.mktemp("office"))


def opened_in_office(body: bytes, folder: Path) -> dict[str, list[Cell]]:
    (folder / "file.csv").write_bytes(body)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    convert = ["--headless", f"--infilter={AS_IT_OPENS}", "--convert-to", "fods", "--outdir", str(folder)]
    subprocess.run([str(OFFICE), profile, *convert, str(folder / "file.csv")], check=True, capture_output=True)
    rows = [row_of(row) for row in ElementTree.parse(folder / "file.fods").iter(f"{TABLE}table-row")]
    names, *lines = [row for row in rows if any(cell.kind for cell in row)]
    return {name.text: [line[place] for line in lines] for place, name in enumerate(names) if name.kind}


def row_of(row: ElementTree.Element) -> list[Cell]:
    cells: list[Cell] = []
    for node in row.iter(f"{TABLE}table-cell"):
        for sign, tag in (("\t", "tab"), (" ", "s")):
            for part in node.iter(f"{TEXT}{tag}"):
                part.text = sign
        lines = ["".join(part.itertext()) for part in node.iter(f"{TEXT}p")]
        cell = Cell(
            node.get(f"{OFFICE_NS}value-type", ""),
            node.get(f"{OFFICE_NS}value", ""),
            "\n".join(lines),
            node.get(f"{TABLE}formula"),
        )
        cells += [cell] * min(int(node.get(f"{TABLE}number-columns-repeated", "1")), 50)
    return cells


@pytest.mark.parametrize("column", ["text", "label"])
def test_texts_come_whole_and_what_looks_like_a_formula_is_a_text(columns: dict[str, list[Cell]], column: str) -> None:
    cells = columns[column]

    assert [cell.formula for cell in cells] == [None] * len(cells)
    assert {cell.kind for cell in cells} == {"string"}
    assert [cell.text for cell in cells] == [*(f"'{text}" for text in [*FORMULAS, *WIDE]), *WHOLE]


def test_numbers_are_numbers_and_exact_and_the_unknown_is_empty(columns: dict[str, list[Cell]]) -> None:
    known, unknown = columns["number"][: len(NUMBERS)], columns["number"][len(NUMBERS) :]

    assert [(cell.kind, float(cell.value)) for cell in known] == [("float", number) for number in NUMBERS]
    assert {(cell.kind, cell.text) for cell in unknown} == {("", "")}


def test_times_are_what_they_were(columns: dict[str, list[Cell]]) -> None:
    shown = columns["time"][: len(TIMES)]

    # As texts with their offset: Calc's own dates know none.
    assert {cell.kind for cell in shown} == {"string"}
    assert [pd.Timestamp(cell.text) for cell in shown] == [pd.Timestamp(time) for time in TIMES]


def test_no_row_and_no_column_is_torn(columns: dict[str, list[Cell]]) -> None:
    assert [*columns] == ["text", "label", "number", "time", "last"]
    assert {cell.text for cell in columns["last"]} == {"end"}
