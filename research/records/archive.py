"""The archive of a results folder: its records and predictions in one file, `runs.tar.xz`.

The archive holds the files `runs/<id>.json` and `predictions/<id>*.csv` byte by byte; `tar xf`
unpacks it. Equal files give equal bytes.
"""

import functools
import io
import lzma
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from research.common.errors import InputError

ARCHIVE = "runs.tar.xz"
MEMBER = re.compile(r"runs/[^/]+\.json|predictions/[^/]+\.csv")


def read_archive(folder: Path) -> Mapping[str, bytes]:
    """The archived files by name, such as `runs/<id>.json`; empty without an archive.

    Raises InputError for a damaged archive.
    """
    path = folder / ARCHIVE
    try:
        state = path.stat()
    except FileNotFoundError:
        return {}
    return _read(path, state.st_mtime_ns, state.st_size)


def archive_bytes(files: Mapping[str, bytes]) -> bytes:
    """The content of an archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue(), check=lzma.CHECK_SHA256, preset=6)


def parse_archive(content: bytes, source: str) -> Mapping[str, bytes]:
    """The files in the content of an archive; an InputError names `source`."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(content)), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is None or not MEMBER.fullmatch(member.name) or member.name in files:
                    raise ValueError(f"{member.name!r} is not a file of a run, or is there twice")
                files[member.name] = file.read()
    except (lzma.LZMAError, tarfile.TarError, EOFError, ValueError) as error:
        allowed = f"a tar file of runs/ and predictions/, compressed by xz, is expected ({error})"
        raise InputError("archive", source, allowed) from error
    return files


@functools.lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> Mapping[str, bytes]:
    """The files of the archive in this state."""
    del modified, size
    return parse_archive(path.read_bytes(), str(path))
