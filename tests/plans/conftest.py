"""What a plan says before anything is sent: what is now, what will be, and what to know before one says yes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from control import carrying_out
from control.desk import Desk
from tests.steered import A, B, C, D, Stage, steering


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
    return Stage()


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Iterator[Desk]:
    with steering(stage, tmp_path) as desk:
        yield desk


@pytest.fixture
def four(stage: Stage) -> Stage:
    for name in (A, B, C, D):
        stage.add(name, "prefork", "mail")
    stage.add_queue("mail", 120, unacked=3)
    return stage
