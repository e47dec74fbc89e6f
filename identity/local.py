"""Whether a request comes from this machine itself, and from nowhere else by way of it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers

LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
PASSED_ON = ("forwarded", "via", "x-real-ip")  # and x-forwarded-*: what proxies add


def is_local(headers: Headers, peer: str) -> bool:
    address = parse_address(peer)
    return (
        address is not None
        and address.is_loopback
        and LOCAL_HOST.fullmatch(headers.get("host", "").lower()) is not None
        and not any(name in PASSED_ON or name.startswith("x-forwarded") for name in headers)
    )


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address in IPv6's clothes is the IPv4 address: a server on `::` sees those."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
