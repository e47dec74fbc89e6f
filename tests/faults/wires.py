"""Faults of sources: what is done to the wire to a real server, or to our password there; and what we then say."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import redis

from demo.servers import RabbitMQ
from tests.fault_proxy import FaultProxy, forward
from tests.faults.conftest import Shop
from tests.faults.site import SECRET
from tests.impostor import Behaviour, hang
from tests.test_rabbitmq_broker import put

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>Please log in</html>"

# bcrypt of SECRET and of another password, as `htpasswd -nbBC 4` makes them
RIGHT_HASH = "$2b$04$abcdefghijklmnopqrstuuE3QRq1gz1gmYoBT5koIdPjAnrQVaL2G"
WRONG_HASH = "$2b$04$abcdefghijklmnopqrstuuW839tY81OgYwy4gFNdslinRlf6MvQ8m"


def web_page(connection: socket.socket) -> None:
    """What answers is a web server, which shows its log-in page whatever it is asked."""
    connection.recv(65536)
    connection.sendall(PAGE)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):  # closed over a request that came in two parts, it would be reset
        pass


@dataclass(frozen=True)
class Fault:
    server: str
    says: str  # what happened, in the failing cell
    wire: Behaviour | None = None  # None: nothing listens
    wrong_password: bool = False


FAULTS = {
    "redis-nothing-listens": Fault("redis", "refused the connection"),
    "redis-silent": Fault("redis", "did not answer", hang),
    "redis-web-page": Fault("redis", "does not speak Redis", web_page),
    "redis-wrong-password": Fault("redis", "refused the user name or password", wrong_password=True),
    "rabbitmq-nothing-listens": Fault("rabbitmq", "refused the connection"),
    "rabbitmq-silent": Fault("rabbitmq", "did not answer", hang),
    "rabbitmq-web-page": Fault("rabbitmq", "closed the connection", web_page),
    "rabbitmq-wrong-password": Fault("rabbitmq", "refused the user name or password", wrong_password=True),
    "prometheus-nothing-listens": Fault("prometheus", "cannot be connected to"),
    "prometheus-silent": Fault("prometheus", "gave no complete answer within", hang),
    "prometheus-web-page": Fault("prometheus", "is not JSON", web_page),
    "prometheus-wrong-password": Fault("prometheus", "does not let us in", wrong_password=True),
}


class Wire:
    """Our own way to a server that stays well, and our own user there: both can be made to fail."""

    def __init__(self, name: str, shop: Shop, rabbitmq: RabbitMQ) -> None:
        self.name, self.fault = name, FAULTS[name]
        self._shop, self._rabbitmq = shop, rabbitmq
        ports = {"redis": shop.redis.port, "rabbitmq": rabbitmq.port, "prometheus": shop.prometheus.port}
        self._way = forward(ports[self.fault.server])
        self._proxy = FaultProxy(None)
        self._ports = ports | {self.fault.server: self._proxy.port}
        set_redis_password(shop, name, SECRET)
        self._set_password(SECRET, RIGHT_HASH)

    def fail(self) -> None:
        if self.fault.wrong_password:
            self._set_password("another", WRONG_HASH)
        self._proxy.behave(self._way if self.fault.wrong_password else self.fault.wire)

    def heal(self) -> None:
        if self.fault.wrong_password:
            self._set_password(SECRET, RIGHT_HASH)
        self._proxy.behave(self._way)

    def close(self) -> None:
        self._proxy.close()

    def cluster(self) -> str:
        """Its table in the dashboard's file: the secret in every place that takes one."""
        broker, path = ("amqp", "//") if self.fault.server == "rabbitmq" else ("redis", "/0")
        port = self._ports["rabbitmq" if broker == "amqp" else "redis"]
        return f"""
            [clusters.{self.name}]
            celery_broker_url = "{broker}://{self.name}:{SECRET}@127.0.0.1:{port}{path}"
            celery_result_backend = "redis://:{SECRET}@127.0.0.1/1"
            prometheus_url = "http://{self.name}:{SECRET}@127.0.0.1:{self._ports["prometheus"]}"
            prometheus_headers = {{ X-Scope-OrgID = "{SECRET}" }}
            alertmanager_url = ""
            rabbitmq_management_url = ""
        """

    def _set_password(self, password: str, hashed: str) -> None:
        match self.fault.server:
            case "redis":
                set_redis_password(self._shop, self.name, password)
            case "rabbitmq":
                put(self._rabbitmq, f"/api/users/{self.name}", {"password": password, "tags": ""})
                everything = {"configure": ".*", "write": ".*", "read": ".*"}
                put(self._rabbitmq, f"/api/permissions/%2F/{self.name}", everything)
            case "prometheus":
                hashes = dict.fromkeys(FAULTS, RIGHT_HASH) | {self.name: hashed}
                users = "".join(f"  {user}: {hashed}\n" for user, hashed in hashes.items())
                self._shop.set_web_config(f"basic_auth_users:\n{users}")


def set_redis_password(shop: Shop, user: str, password: str) -> None:
    with redis.Redis.from_url(shop.redis.url) as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", f">{password}", "~*", "&*", "+@all")
