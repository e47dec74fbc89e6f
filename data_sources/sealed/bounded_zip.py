"""A zip file in memory, read within bounds: it may come from anybody. Nothing of it is ever written to a disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

MOST_BYTES = 50 * 10**6  # of a zip
MOST_INFLATED = 256 * 10**6  # of all files in it
MOST_FILES = 2_000
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
END = struct.Struct("<4s4H2LH")  # the end of the central directory, with which a zip without a comment ends
LOCATOR_BYTES = 20  # of a zip64's, which would stand before it


class BrokenZip(ValueError):
    """It is no zip, not whole, or more than is taken; the text says which."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same files. Raises BrokenZip when `unpack` would not take it."""
    check_size(len(files), sum(map(len, files.values())))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as zipped:
        for name in sorted(files):
            file = zipfile.ZipInfo(name)  # of 1980, whenever it is made
            file.external_attr = 0o644 << 16
            zipped.writestr(file, files[name], zipfile.ZIP_DEFLATED)
    check_bytes(whole.getbuffer().nbytes)
    return whole.getvalue()


def unpack(body: bytes) -> dict[str, bytes]:
    """Its files by name. Raises BrokenZip and nothing else."""
    check_end(body)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as zipped:
            listed = zipped.infolist()
            check_size(len(listed), sum(one.file_size for one in listed))
            for one in listed:
                if one.flag_bits & ENCRYPTED or one.compress_type not in PACKED:
                    raise BrokenZip(f"holds a file that is packed in another way: {one.filename[:60]!r}")
            if len({one.filename for one in listed}) < len(listed):
                raise BrokenZip("holds two files of one name")
            return {one.filename: zipped.read(one) for one in listed}  # which ends at the size that is listed
    except BrokenZip:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as exc:
        raise BrokenZip(f"is not whole: {str(exc)[:100]}") from exc


def check_end(body: bytes) -> None:
    """Before the list of its files is read, which takes far more memory than it has bytes."""
    check_bytes(len(body))
    if len(body) < END.size or not body.startswith(b"PK"):
        raise BrokenZip("is no zip file")
    mark, _, _, _, files, _, _, comment = END.unpack(body[-END.size :])
    zip64 = body[-END.size - LOCATOR_BYTES :].startswith(b"PK\6\7")
    if mark != b"PK\5\6" or comment or zip64:
        raise BrokenZip("is not whole, or a zip file of another kind")
    check_size(files, 0)


def check_bytes(size: int) -> None:
    if size > MOST_BYTES:
        raise BrokenZip(f"has {size / 1e6:,.0f} MB, more than the {MOST_BYTES / 1e6:,.0f} it may have")


def check_size(files: int, inflated: int) -> None:
    if files > MOST_FILES:
        raise BrokenZip(f"holds {files:,} files, more than the {MOST_FILES:,} it may hold")
    if inflated > MOST_INFLATED:
        raise BrokenZip(f"would take {inflated / 1e6:,.0f} MB, more than the {MOST_INFLATED / 1e6:,.0f} it may take")
