"""What the installer does on machines that lack something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs_version

from demo import install


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no program at all but those a test puts into this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install, "SBIN", ())
    return tmp_path


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_a_package_manager_one_line_says_what_to_install(empty_path: Path) -> None:
    with pytest.raises(install.CannotInstall, match=r"^Install prometheus, rabbitmq-server by hand: [^\n]+$"):
        install.require(install.PROMETHEUS, install.RABBITMQ)


def test_only_what_is_missing_is_installed_and_never_what_apt_only_recommends(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    add_program(empty_path, "redis-server", "")
    add_program(empty_path, "env", 'shift; "$@"')
    add_program(empty_path, "apt-get", f'echo "$@" >> {empty_path}/asked')
    missing = install.install_packages(install.REDIS, install.PROMETHEUS)
    assert missing == [install.PROMETHEUS]
    update, packages = (empty_path / "asked").read_text().splitlines()
    assert update.endswith(" update")
    assert packages.endswith(" install --yes --no-install-recommends prometheus")


def test_without_debians_browser_it_is_playwrights(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "VENV", empty_path)
    (empty_path / "bin").mkdir()
    add_program(empty_path / "bin", "playwright", f'echo "$@" > {empty_path}/asked')
    install.require_browser()
    assert (empty_path / "asked").read_text() == "install chromium\n"


def test_the_small_plotly_is_the_version_of_the_full_one() -> None:
    assert f"plotly.js-basic-dist-min@{get_plotlyjs_version()}" == install.PLOTLY_PACKAGE


def test_a_small_plotly_that_is_not_the_pinned_one_is_not_served(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = empty_path / "vendor" / "plotly-basic.min.js"
    monkeypatch.setattr(install, "PLOTLY_FILE", served)
    monkeypatch.setattr(install, "plotly_from_npm", lambda: b"alert(1)")
    add_program(empty_path, "npm", "")
    install.fetch_plotly()
    assert not served.exists()
    assert re.fullmatch(r"No small plotly\.js from npm: [^\n]+\n", capsys.readouterr().out)
