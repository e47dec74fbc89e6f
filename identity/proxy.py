"""The name in a proxy's header: believed when the proxy itself asks, and shows the secret."""

from __future__ import annotations

import hmac
import logging

from starlette.datastructures import Headers

from data_sources.access import is_name
from data_sources.config import ProxyHeader
from identity.local import parse_address

log = logging.getLogger(__name__)


class GivenTwice(Exception):
    """A header that may decide who asks stands there twice: which of the two counts is anybody's guess."""


def name_in(headers: Headers, peer: str, proxy: ProxyHeader) -> str | None:
    """Raises GivenTwice."""
    names, shown = headers.getlist(proxy.header), headers.getlist(proxy.secret_header)
    if len(names) > 1 or len(shown) > 1:
        raise GivenTwice
    if not names or not names[0]:
        return None
    if not is_trusted(peer, proxy):
        log.warning("%s from %s is not believed: it is none of the trusted addresses", proxy.header, peer)
        return None
    if not hmac.compare_digest("".join(shown).encode(), proxy.secret.reveal().encode()):
        log.warning("%s from %s is not believed: %s is not right", proxy.header, peer, proxy.secret_header)
        return None
    try:
        name = names[0].encode("latin-1").decode()  # as it came, in UTF-8
    except UnicodeDecodeError:
        return None
    return name if is_name(name) else None


def is_trusted(peer: str, proxy: ProxyHeader) -> bool:
    address = parse_address(peer)
    return address is not None and any(address in network for network in proxy.trusted)
