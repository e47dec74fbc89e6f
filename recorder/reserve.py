"""Room on a disk that is kept for the day when it is full: to delete rows takes some too."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from recorder.private_file import make_private

BYTES = 16 * 2**20  # what the WAL holds before it is brought home: bringing it home may take as much
AMPLE = 4  # times that must be free before so much is taken


class Reserve:
    """The file `<file>.reserve` beside a history, of nothing but size."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.reserve")

    def free(self) -> bool:
        """Gives it back; False: there is none."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False

    def fill(self, beside_bytes: int) -> bool:
        """Takes it when the disk has ample room, and half as much as the history takes; True: it was not there."""
        with suppress(OSError):
            room = shutil.disk_usage(self._path.parent).free
            if self._path.exists() or room < max(AMPLE * BYTES, beside_bytes / 2):
                return False
            try:
                make_private(self._path)
                self._path.write_bytes(bytes(BYTES))
            except OSError:
                self._path.unlink(missing_ok=True)
                raise
            return True
        return False
