"""A results folder packed into one archive: read as files are, and never silently damaged."""

import lzma
import shutil
import tarfile
from pathlib import Path

import pytest

from research.common.errors import InputError
from research.records.archive import ARCHIVE, archive_bytes, parse_archive
from research.records.packing import pack
from research.records.store import RunStore
from research.reporting.build import check_tables
from scripts import report
from tests.films import run
from tests.run_records import make_record


@pytest.fixture
def packed(swept: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(swept, tmp_path / "packed"))
    assert report.main([str(folder), "--pack"]) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("runs", "predictions")
        for path in (folder / name).glob("*")
    }


def test_a_packed_folder_reads_as_before(swept: Path, packed: Path):
    assert not (packed / "runs").exists() and not (packed / "predictions").exists()
    before, after = RunStore(swept), RunStore(packed)
    assert after.ids() == before.ids() and after.all() == before.all()
    assert all(after.has(id) for id in after.ids()) and not after.has("another")
    assert check_tables(packed) == [] and report.main([str(packed), "--check"]) == 0


def test_any_tar_unpacks_it_to_the_same_files(swept: Path, packed: Path, tmp_path: Path):
    with tarfile.open(packed / ARCHIVE) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert files(tmp_path / "unpacked") == files(swept)
    assert archive_bytes(files(swept)) == (packed / ARCHIVE).read_bytes()


def test_a_sweep_goes_on_beside_the_archive_and_packing_merges(packed: Path, config: dict):
    """With a fourth seed: what is packed is not run again."""
    before = set(RunStore(packed).ids())
    run({**config, "seeds": 4}, packed)
    new = {path.stem for path in (packed / "runs").iterdir()}
    assert new and not new & before
    assert report.main([str(packed), "--pack"]) == 0
    assert set(RunStore(packed).ids()) == before | new and not (packed / "runs").exists()
    content = (packed / ARCHIVE).read_bytes()
    assert report.main([str(packed), "--pack"]) == 0
    assert (packed / ARCHIVE).read_bytes() == content and check_tables(packed) == []


def test_an_archived_run_may_gain_its_test_result_and_is_never_replaced(tmp_path: Path):
    store = RunStore(tmp_path)
    store.write(make_record())
    pack(store)
    with pytest.raises(InputError, match="the run is stored already"):
        store.write(make_record())


def test_a_file_beside_the_archive_wins(packed: Path):
    id = RunStore(packed).ids()[0]
    (packed / "runs").mkdir()
    (packed / "runs" / f"{id}.json").write_text("{")
    with pytest.raises(InputError, match=f"{id}.json.*a run record in JSON"):
        RunStore(packed).read(id)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "edited", "no tar"])
def test_damage_is_one_sentence(damage: str, packed: Path, capsys: pytest.CaptureFixture):
    path = packed / ARCHIVE
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "cut":
        path.write_bytes(content[:middle])
    elif damage == "flipped":
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no tar":
        path.write_bytes(lzma.compress(b"no tar" * 1000))
    else:
        members = dict(parse_archive(content, "archive"))
        scored = [name for name in members if name.startswith("predictions/")]
        name = next(name for name in scored if b"0." in members[name])
        members[name] = members[name].replace(b"0.", b"1.", 1)
        path.write_bytes(archive_bytes(members))
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        report.main([str(packed)])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith("error: ") and error.count("\n") == 1
    assert ARCHIVE in error or "has another sha256" in error


def test_only_files_of_runs_are_taken_out(tmp_path: Path):
    (tmp_path / ARCHIVE).write_bytes(archive_bytes({"../runs/a.json": b"{}"}))
    with pytest.raises(InputError, match="'../runs/a.json' is not a file of a run"):
        RunStore(tmp_path).ids()


def test_a_damaged_run_is_not_packed(swept: Path, tmp_path: Path):
    folder = Path(shutil.copytree(swept, tmp_path / "copy"))
    path = next((folder / "predictions").iterdir())
    path.write_bytes(path.read_bytes() + b" ")
    before = files(folder)
    with pytest.raises(InputError, match="another sha256"):
        pack(RunStore(folder))
    assert files(folder) == before and not (folder / ARCHIVE).exists()


def test_a_failed_write_deletes_nothing(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Path(shutil.copytree(swept, tmp_path / "copy"))
    before = files(folder)
    monkeypatch.setattr(
        "research.records.packing.archive_bytes", lambda some: archive_bytes({"runs/a.json": b""})
    )
    with pytest.raises(InputError, match="none is deleted"):
        pack(RunStore(folder))
    assert files(folder) == before


def test_a_folder_without_runs_cannot_be_packed(tmp_path: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        report.main([str(tmp_path / "missing"), "--pack"])
    assert "a folder with runs is expected" in capsys.readouterr().err
    assert not (tmp_path / "missing").exists()
