"""Fixtures of the tests of serving: a backbone with an adapter, and a run of predict.py."""

import io
import json

import pytest

from research.interop.peft import save_adapter
from research.methods.lora import LoRA
from research.models.backbone import load_backbone
from scripts.predict import main
from tests import films
from tests.tiny import with_method


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A backbone, and an adapter of PEFT."""
    made = films.write_inputs(tmp_path_factory.mktemp("films"))
    backbone = load_backbone(str(made / "backbone"))
    leaves = with_method(LoRA(3), backbone.params)
    save_adapter(made / "peft", backbone.name, backbone.model, [LoRA(3)], leaves)
    return made


@pytest.fixture
def run(folder, tmp_path, capsys, monkeypatch):
    """`run(adapters, lines, *arguments)`: (exit code, answers, what it says on standard error)."""

    def run(adapters, lines, *arguments):
        listed = tmp_path / "adapters.json"
        listed.write_text(json.dumps(adapters))
        written = "".join(f"{line}\n" for line in lines).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(written)))
        given = ["--backbone", folder / "backbone", "--adapters", listed, *arguments]
        try:
            code = main(list(map(str, given)))
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err

    return run
