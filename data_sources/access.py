"""Who may read and who may change something, read from the settings.

    [access]                                 ACCESS_OPERATORS=ann,ben
    operators = ["ann", "ben"]               ACCESS_SESSION_KEY, ACCESS_SESSION_LIFE=12h
    [access.users]                           ACCESS_USERS, a JSON object
    ann = "$scrypt$..."
    [access.tokens]                          ACCESS_TOKENS, a JSON object
    prometheus = { sha256 = "...", scope = "read" }
    [access.proxy]                           ACCESS_PROXY_SECRET, _HEADER, _SECRET_HEADER, _TRUSTED, _SIGN_OUT
    secret = "..."
    [access.oidc]                            ACCESS_OIDC_ALLOWED, _CLAIM, _PROVIDER, _SESSION_LIFE
    allowed = ["@example.com"]

CELERY_NOTEBOOK_LOCAL_OPERATOR=1 makes whoever sits at this machine an operator.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from data_sources.config import Access, Oidc, ProxyHeader, Secret, Token
from data_sources.errors import ConfigError
from data_sources.given import Given
from data_sources.password_hash import PasswordHash

LOCAL_OPERATOR = "celery_notebook_local_operator"
PROXY = {f"access_proxy_{name}" for name in ("secret", "header", "secret_header", "trusted", "sign_out")}
OIDC = {f"access_oidc_{name}" for name in ("allowed", "claim", "provider", "session_life")}
OWN = {f"access_{name}" for name in ("operators", "users", "tokens", "session_key", "session_life")}
ACCESS = {LOCAL_OPERATOR} | OWN | PROXY | OIDC

MOST_NAME = 200
SHORTEST_SECRET = 16
SHORTEST_KEY = 32
LONGEST_SESSION = timedelta(days=30)
SCOPES = {"read": False, "control": True}
OWN_HEADER = "x-celery-notebook-person"  # the guard says in it who asks; nobody else may


def access(given: Given, public_url: str | None) -> Access:
    """Raises ConfigError, which names the setting and quotes no value."""
    found = Access(
        operators=names(given, "access_operators"),
        users=users(given),
        tokens=tokens(given),
        proxy=proxy(given),
        oidc=oidc(given),
        session_key=long_enough(given, "access_session_key", SHORTEST_KEY),
        session_life=session_life(given, "access_session_life") or Access.session_life,
        local_operator=given.truth(LOCAL_OPERATOR),
    )
    if found.local_operator and public_url:
        raise given.error(LOCAL_OPERATOR, "is for one person at this machine; it cannot be on while PUBLIC_URL is set")
    if any(token.controls for token in found.tokens) and not found.control:
        raise given.error("access_tokens", "hold one of scope control, but access_operators is empty: control is off")
    return found


def check_listening(access: Access, address: str | None) -> None:
    """Raises ConfigError when others could reach, at `address` (None: all), what nobody guards."""
    if is_loopback(address or "0.0.0.0"):
        return
    if access.local_operator:
        raise ConfigError(LOCAL_OPERATOR.upper(), "is for this machine alone, but the server listens beyond it")
    if access.operators and not access.identified:
        raise ConfigError(
            "access_operators",
            "are named, but nothing says who somebody is, and the server listens beyond this machine: "
            "add [access.users], [access.proxy], [access.oidc] or [access.tokens]",
        )


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def is_name(text: str) -> bool:
    """Whether somebody may be called that: one printable line without blanks around it."""
    return 0 < len(text) <= MOST_NAME and text.isprintable() and text == text.strip()


def names(given: Given, name: str) -> tuple[str, ...]:
    found = given.texts(name, ())
    if not all(is_name(one) for one in found):
        raise given.error(name, f"must be names of one line, at most {MOST_NAME} characters")
    return found


def users(given: Given) -> dict[str, Secret]:
    found = given.mapping("access_users")
    for number, (name, text) in enumerate(found.items(), 1):
        if not is_name(name) or ":" in name:
            raise given.error("access_users", f"must have names of one line without a colon; number {number} has not")
        try:
            PasswordHash.parse(text if isinstance(text, str) else "")
        except ValueError:
            message = f"must hold what `python -m identity hash` prints; number {number} does not"
            raise given.error("access_users", message) from None
    return {name: Secret(text) for name, text in found.items()}


def tokens(given: Given) -> tuple[Token, ...]:
    return tuple(
        token(given, number, name, value)
        for number, (name, value) in enumerate(given.mapping("access_tokens").items(), 1)
    )


def token(given: Given, number: int, name: str, value: object) -> Token:
    match value:
        case {"sha256": str(digest), **more} if is_name(name) and re.fullmatch(r"[0-9a-f]{64}", digest):
            scope = more.pop("scope", "read")
            if not more and isinstance(scope, str) and scope in SCOPES:
                return Token(name, Secret(digest), SCOPES[scope])
    message = f'must be lines that `python -m identity token` prints, with scope "read" or "control"; number {number}'
    raise given.error("access_tokens", f"{message} is not")


def proxy(given: Given) -> ProxyHeader | None:
    said = some_given(given, PROXY)
    if said is None:
        return None
    secret = long_enough(given, "access_proxy_secret", SHORTEST_SECRET)
    if secret is None:
        raise given.error(said, "needs access_proxy_secret beside it: without one anybody could call himself anyone")
    sign_out = given.text("access_proxy_sign_out") or None
    if sign_out and not re.match(r"https?://|/(?![/\\])", sign_out):
        raise given.error("access_proxy_sign_out", "must be a path such as /oauth2/sign_out, or a URL")
    header = header_name(given, "access_proxy_header", ProxyHeader.header)
    secret_header = header_name(given, "access_proxy_secret_header", ProxyHeader.secret_header)
    if header.lower() == secret_header.lower():
        raise given.error("access_proxy_secret_header", "must be another header than the one with the name")
    return ProxyHeader(secret, header, secret_header, networks(given), sign_out)


def some_given(given: Given, settings: set[str]) -> str | None:
    """The name of one of `settings` that is not empty."""
    return next((name for name in sorted(settings) if given.values.get(name)), None)


def header_name(given: Given, name: str, default: str) -> str:
    header = given.text(name) or default
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", header) or header.lower() in (OWN_HEADER, "cookie", "host", "origin"):
        raise given.error(name, "must be a header's name, of letters, digits and dashes")
    return header


def networks(given: Given) -> tuple[IPv4Network | IPv6Network, ...]:
    name = "access_proxy_trusted"
    try:
        found = tuple(ip_network(one) for one in given.texts(name, ()))
    except ValueError:
        raise given.error(name, "must be addresses or networks such as 10.1.2.3 or 10.0.0.0/8") from None
    return found or ProxyHeader.trusted


def oidc(given: Given) -> Oidc | None:
    said = some_given(given, OIDC)
    if said is None:
        return None
    allowed = names(given, "access_oidc_allowed")
    if not allowed:
        message = 'whole names, "@example.com" for all of a domain, or "*" for everybody the provider signs in'
        raise given.error(said, f"needs access_oidc_allowed beside it: {message}")
    provider = given.text("access_oidc_provider") or Oidc.provider
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", provider):
        raise given.error("access_oidc_provider", "must be the name of a table under [auth], of letters and digits")
    claim = given.text("access_oidc_claim") or Oidc.claim
    return Oidc(allowed, claim, provider, session_life(given, "access_oidc_session_life"))


def session_life(given: Given, name: str) -> timedelta | None:
    life = given.seconds(name)
    if life and life > LONGEST_SESSION:
        raise given.error(name, f"must be at most {LONGEST_SESSION.days} days")
    return life


def long_enough(given: Given, name: str, shortest: int) -> Secret | None:
    secret = given.secret(name)
    if secret and len(secret.reveal()) < shortest:
        raise given.error(name, f"must be at least {shortest} characters long; `python -m identity key` makes one")
    return secret
