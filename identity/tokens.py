"""Tokens for programs: `Authorization: Bearer ...`.

Only SHA-256 of a token is kept. A password needs a slow hash because it can be guessed; a token is 32 random bytes,
which nobody can, and every request is checked.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256

from data_sources.config import Token

PREFIX = "cnb_"  # so that scanners for leaked secrets, and people, know what it is
LONGEST = 200


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def holder(tokens: Iterable[Token], text: str) -> Token | None:
    """Whose token `text` is."""
    shown = digest(text[:LONGEST])
    matching = [token for token in tokens if hmac.compare_digest(token.sha256.reveal(), shown)]
    return matching[0] if matching else None
