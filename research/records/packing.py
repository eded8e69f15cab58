"""Packs the runs of a results folder into one archive."""

from collections.abc import Mapping
from pathlib import Path

from research.common.errors import InputError
from research.common.files import write_atomically
from research.records.archive import ARCHIVE, archive_bytes, parse_archive, read_archive
from research.records.schema import prediction_file
from research.records.store import RunStore, record_name


def pack(store: RunStore) -> Path:
    """Moves the records and predictions of a folder into its archive; returns its path.

    Every run is checked first, and the archive is read back before any file is deleted.
    """
    records, archived = store.all(), read_archive(store.folder)
    names = [record_name(record.run_id) for record in records]
    names += [prediction_file(r.run_id, split) for r in records for split in r.predictions]
    files = {name: store.content(name) for name in names}
    path = store.folder / ARCHIVE
    if files != archived:
        content = archive_bytes(files)
        _check_same(parse_archive(content, str(path)), files, path)
        write_atomically(path, content)
    _check_same(read_archive(store.folder), files, path)
    for name in names:
        (store.folder / name).unlink(missing_ok=True)
    for folder in (store.folder / "runs", store.folder / "predictions"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return path


def _check_same(archived: Mapping[str, bytes], files: Mapping[str, bytes], path: Path) -> None:
    if archived != files:
        raise InputError("archive", str(path), "it differs from the files, so none is deleted")
