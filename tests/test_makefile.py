"""What a stranger types: `make` and what it lists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.install import ROOT

DOCUMENTS = [path for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")) if path.exists()]


def make(*arguments: str, cwd: Path = ROOT) -> str:
    """make's output; raises CalledProcessError when it fails."""
    # Under `make test` the outer make's flags are in the environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout


def targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    return set(phony[1].split())


def test_make_alone_lists_every_target_with_one_line_of_help() -> None:
    lines = make().splitlines()
    assert targets() == {line.split()[1] for line in lines}
    assert [line for line in lines if len(line.split()) < 4] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_target_the_documents_name_exists(document: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(), re.MULTILINE))
    assert named - targets() == set()


def test_the_readme_and_ci_run_the_same_command() -> None:
    assert "make --no-print-directory test" in (ROOT / ".ci/run").read_text()


def test_a_second_make_installs_nothing_until_a_requirement_changes(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/install.py").touch()
    requirements = tmp_path / "requirements.txt"
    requirements.touch()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nmkdir -p .venv\necho installs $2\n")
    python.chmod(0o755)

    assert make("install", f"PYTHON={python}", cwd=tmp_path) == "installs run\n"
    assert "installs" not in make("install", f"PYTHON={python}", cwd=tmp_path)
    later = (tmp_path / ".venv/for-run").stat().st_mtime + 10
    os.utime(requirements, (later, later))
    assert make("install", f"PYTHON={python}", cwd=tmp_path) == "installs run\n"


def test_ci_ends_with_pytests_closing_line_and_fails_when_a_test_does(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "Makefile").write_text("test:\n\t@echo 1 failed, 2 passed in 3.00s; exit 1\n")
    run = subprocess.run(
        [tmp_path / ".ci/run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.stdout == "1 failed, 2 passed in 3.00s\n"
    assert run.returncode != 0
