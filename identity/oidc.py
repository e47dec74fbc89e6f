"""The name in an ID token's claims, which Streamlit has verified and keeps in a signed cookie of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from data_sources.access import is_name
from data_sources.config import Oidc

Claims = Mapping[str, object]


def name_in(claims: Claims, oidc: Oidc) -> tuple[str, datetime] | None:
    """Who it is and until when; None for whom we do not let in, or whose time is over."""
    name = claims.get(oidc.claim)
    until = ends(claims, oidc)
    signed_in = claims.get("is_logged_in") is True and claims.get("provider") == oidc.provider
    # Who may call an address his own is for the provider to know; one that says it does not know is not believed.
    unproven = oidc.claim == "email" and claims.get("email_verified", True) not in (True, "true")
    if not signed_in or unproven or until is None or until <= datetime.now(UTC):
        return None
    return (name, until) if isinstance(name, str) and is_name(name) and is_allowed(name, oidc) else None


def ends(claims: Claims, oidc: Oidc) -> datetime | None:
    counted_from = claims.get("exp" if oidc.session_life is None else "iat")
    if isinstance(counted_from, bool) or not isinstance(counted_from, int | float):
        return None
    try:
        moment = datetime.fromtimestamp(counted_from, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment + oidc.session_life if oidc.session_life else moment


def is_allowed(name: str, oidc: Oidc) -> bool:
    user, _, domain = name.rpartition("@")
    if not user:  # an entry such as @example.com names a domain, and nobody
        return not name.startswith("@") and bool({name, "*"} & {*oidc.allowed})
    return bool({name, f"@{domain}", "*"} & {*oidc.allowed})
