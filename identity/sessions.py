"""Sessions of named users: a signed cookie that says who, from when. Nothing is kept for them here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from itsdangerous import BadData, URLSafeTimedSerializer

from data_sources.config import Access

COOKIE = "cn_session"
SECURE_COOKIE = "__Host-cn_session"  # a browser takes this name with https, for this host alone


class Sessions:
    """Signed with the key of the settings, or one of this process: then they end when it does."""

    def __init__(self, access: Access, secure: bool) -> None:
        key = access.session_key.reveal() if access.session_key else secrets.token_hex(32)
        self._signed = URLSafeTimedSerializer(key, salt="cn-session", signer_kwargs={"digest_method": sha256})
        self._users = access.users
        self.life = access.session_life
        self.secure = secure
        self.cookie = SECURE_COOKIE if secure else COOKIE

    def issue(self, name: str) -> str:
        return str(self._signed.dumps([name, self._mark(name), secrets.token_urlsafe(8)]))

    def read(self, cookies: Mapping[str, str]) -> tuple[str, datetime] | None:
        """Whose session it is, and until when; None when it is no session of ours, or over."""
        try:
            words, begun = self._signed.loads(
                cookies.get(self.cookie, ""), max_age=int(self.life.total_seconds()), return_timestamp=True
            )
        except BadData:
            return None
        until = begun.astimezone(UTC) + self.life  # a signature's age is in whole seconds
        match words:
            case [str(name), str(mark), str()] if name in self._users and mark == self._mark(name):
                return (name, until) if until > datetime.now(UTC) else None
        return None

    def _mark(self, name: str) -> str:
        """Changes with the password, so that a new one ends the sessions of the old."""
        return sha256(self._users[name].reveal().encode()).hexdigest()[:16]
