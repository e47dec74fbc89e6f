"""Files for their owner alone: what tasks were given stands in a history."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from stat import S_IMODE

log = logging.getLogger(__name__)

FILE, FOLDER, OTHERS = 0o600, 0o700, 0o077


def make_private(path: Path, flags: int = 0) -> None:
    """An empty file, or the one that is there, which others may have been given to read (`cp` of a backup)."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | flags, FILE))
    keep_private(path)


def keep_private(path: Path) -> None:
    """Takes from others what they may do with it. Where it is not ours to say, the log tells."""
    try:
        if S_IMODE(path.stat().st_mode) & OTHERS:
            path.chmod(FILE)
            log.warning("%s could be used by others; it is its owner's alone now", path)
    except FileNotFoundError:
        pass
    except PermissionError:
        log.warning("%s can be used by others, and is not ours to change: chmod 600", path)


def make_private_folder(folder: Path) -> None:
    """One that is there is as its owner wants it: what else is in it may be for others."""
    folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    if mode := S_IMODE(folder.stat().st_mode) & OTHERS:
        log.warning("others can look into %s (their rights are %03o): chmod 700", folder, mode)
