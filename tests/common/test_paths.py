from pathlib import Path

import pytest

from research.common.errors import InputError
from research.common.paths import resolve_path


def test_a_shipped_checkpoint_is_found_by_its_name():
    folder = Path(resolve_path("world-1m", "config.backbone"))
    assert (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def test_home_and_environment_are_filled_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOMEWHERE", "/data")
    monkeypatch.setenv("HOME", "/home/someone")
    assert resolve_path("$SOMEWHERE/a.csv", "train") == "/data/a.csv"
    assert resolve_path("${SOMEWHERE}/a.csv", "train") == "/data/a.csv"
    assert resolve_path("~/a.csv", "train") == "/home/someone/a.csv"


def test_a_variable_that_is_not_set_is_a_mistake(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOMEWHERE", raising=False)
    sentence = r"train is '\$SOMEWHERE/a.csv': its environment variable is not set"
    with pytest.raises(InputError, match=sentence):
        resolve_path("$SOMEWHERE/a.csv", "train")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "data/" + "x" * 300])
def test_what_no_file_can_be_called_is_a_mistake(name: str):
    with pytest.raises(InputError, match="train is .*: a path of names up to 255 bytes"):
        resolve_path(name, "train")


NAMES = ["organization/model", "gpt", "a/b.csv", "", "assets/../x", ".", "..", "a/" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_other_names_stay_what_they_are(name: str):
    assert resolve_path(name, "backbone") == name
