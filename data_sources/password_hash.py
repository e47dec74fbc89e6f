"""A password's hash as text: $scrypt$ln=15,r=8,p=3$salt$digest, as passlib writes it.

What scrypt's numbers cost is bounded, so that a pasted hash cannot stop the server: 256 MB and about a second.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Self

WRITTEN = re.compile(
    r"\$scrypt\$ln=(1\d|20),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})", re.ASCII
)
MOST_BYTES = 2**28
MOST_WORK = 2**23


@dataclass(frozen=True)
class PasswordHash:
    """scrypt's parameters (RFC 7914; N is 2 ** log_n) and what came of them."""

    log_n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which does not quote it."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError("is not a hash")
        log_n, r, p = (int(found[number]) for number in (1, 2, 3))
        if r * p == 0 or 128 * 2**log_n * r > MOST_BYTES or 2**log_n * r * p > MOST_WORK:
            raise ValueError("costs too much")
        try:
            return cls(log_n, r, p, unpadded(found[4]), unpadded(found[5]))
        except ValueError:  # its cause quotes it
            raise ValueError("is not a hash") from None

    @property
    def memory_bytes(self) -> int:
        """What scrypt takes: 128 * N * r, and a block for each of p."""
        return 128 * self.r * ((1 << self.log_n) + self.p + 2)

    def text(self) -> str:
        salt, digest = (b64encode(part).decode().rstrip("=") for part in (self.salt, self.digest))
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${salt}${digest}"


def unpadded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
