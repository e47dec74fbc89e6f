"""Passwords, by scrypt: N = 2^15, r = 8, p = 3, of 32 MB, as OWASP's Password Storage Cheat Sheet has it.

hashlib's scrypt is OpenSSL's and lets other threads run meanwhile, so it needs no library beside it; Argon2id would.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from hashlib import scrypt

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from data_sources.config import Secret
from data_sources.password_hash import PasswordHash
from identity.attempts import Attempts, TooManyAttempts

SALT_BYTES = 16
DIGEST_BYTES = 32
LONGEST = 1_000
LANES = CapacityLimiter(2)  # each takes memory and a processor for a tenth of a second
MOST_WAITING = 20

# What an unknown name is held against: as dear as a known one, and no password gives it.
NO_USER = PasswordHash(15, 8, 3, bytes(SALT_BYTES), bytes(DIGEST_BYTES))


def hash_password(password: str) -> str:
    """The line that stands for it in the configuration."""
    salt = secrets.token_bytes(SALT_BYTES)
    made = PasswordHash(NO_USER.log_n, NO_USER.r, NO_USER.p, salt, b"")
    return PasswordHash(made.log_n, made.r, made.p, salt, derive(made, password)).text()


def derive(given: PasswordHash, password: str) -> bytes:
    text = unicodedata.normalize("NFC", password).encode(errors="surrogatepass")  # keyboards differ in how they say é
    return scrypt(
        text,
        salt=given.salt,
        n=2**given.log_n,
        r=given.r,
        p=given.p,
        maxmem=given.memory_bytes + 2**20,
        dklen=DIGEST_BYTES,
    )


class Passwords:
    """The named users; tells by a name and a password whether it is one of them, in equal time for any name."""

    def __init__(self, users: Mapping[str, Secret]) -> None:
        self._hashes = {name: PasswordHash.parse(text.reveal()) for name, text in users.items()}
        self._nobodys = next(iter(self._hashes.values()), NO_USER)  # as dear as those that are there
        self._attempts = Attempts()

    async def are_right(self, name: str, password: str, address: str) -> bool:
        """Raises TooManyAttempts, whether they are right or not."""
        self._attempts.count(name, address)
        if LANES.statistics().tasks_waiting >= MOST_WAITING:
            raise TooManyAttempts(seconds=5)
        known = self._hashes.get(name)
        held_against = known or self._nobodys
        derived = await run_sync(derive, held_against, password[:LONGEST], limiter=LANES)
        right = hmac.compare_digest(derived, held_against.digest) and known is not None and len(password) <= LONGEST
        if right:
            self._attempts.forget(name, address)
        return right
