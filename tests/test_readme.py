"""What the README shows is run as it stands there."""

import re
import shlex
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from absl.testing import flagsaver
from flax.traverse_util import unflatten_dict

from research.common.json_io import read_json
from research.experiments.experiment import Experiment
from research.experiments.presets import trained
from research.methods import METHODS
from research.models import MODELS
from research.models.backbone import load_backbone, model_of, save_backbone
from research.models.llama.model import Decoder
from research.records.store import RunStore
from research.tasks import TASKS
from scripts import sweep as script
from tests.films import run, settings, write_inputs

README = (Path(__file__).parents[1] / "README.md").read_text()


def shown(name: str) -> Any:
    """The class of this name, made by the block of code that defines it."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    block = next(block for block in blocks if f"class {name}" in block)
    made: dict[str, Any] = {}
    exec(block, made)
    return made[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("readme"))


def test_a_method_and_a_task(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(METHODS, "words", shown("WordTable"))
    monkeypatch.setitem(TASKS, "larger", shown("Larger"))
    row = re.search(r"`(trained\(.*?\))` is a row", README)
    assert row
    config = settings(folder) | {"task": {"source": "larger"}, "seeds": 1, "search_seeds": 1}
    config["approaches"] = [eval(row[1], {"trained": trained})]
    records = RunStore(run(config, tmp_path)).all()
    words = [record for record in records if record["approach"] == "words"]
    rows = load_backbone(config["backbone"]).params["embed/embedding"].size
    assert len(words) == 3 and {record["costs"]["trained_params"] for record in words} == {rows}
    assert "larger 4-shot" in (tmp_path / "table.md").read_text()


def test_a_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scaled = shown("ScaledLlama")
    monkeypatch.setitem(MODELS, "scaled_llama", scaled)
    plain = load_backbone(str(folder / "backbone"))
    file = folder / "backbone" / "config.json"
    content = file.read_text()
    file.write_text(content.replace('"llama"', '"scaled_llama", "embedding_multiplier": 12.0'))
    found = load_backbone(str(folder / "backbone"))
    file.write_text(content)
    assert isinstance(found.model, scaled) and isinstance(plain.model, Decoder)
    assert all(jnp.array_equal(found.params[path], leaf) for path, leaf in plain.params.items())
    tokens = jnp.array([[3, 5, 8]])
    once, twelvefold = (
        one.model.apply(
            {"params": unflatten_dict(one.params, sep="/")}, tokens, method=one.model.embed
        )
        for one in (plain, found)
    )
    assert jnp.allclose(twelvefold, 12 * once)
    save_backbone(tmp_path / "saved", found.model, found.params)
    assert model_of(read_json(tmp_path / "saved" / "config.json")) == found.model


def test_the_command_for_your_data_is_understood(monkeypatch: pytest.MonkeyPatch):
    text = README.replace("\\\n", " ")
    command = next(line for line in text.splitlines() if "configs/compare.py --" in line)
    python, *arguments = shlex.split(command)
    assert python == ".venv/bin/python" and arguments[0] == "scripts/sweep.py"
    monkeypatch.setattr("sys.argv", arguments)  # where ml_collections looks for changed fields
    assert script.read_flags(arguments) == arguments[:1]
    experiment = Experiment.parse(script.read_config())
    assert (experiment.name, experiment.backbone) == ("mine", "world-1m")
    assert experiment.regimes == ("16-shot", "200")
    assert experiment.tasks[0].train == "train.csv" and experiment.tasks[0].verbalizer is None


def test_flags_beside_the_config_are_named_and_understood(monkeypatch: pytest.MonkeyPatch):
    """They are for every experiment, also one whose config leaves the field out."""
    given = {"keep_trained": True, "workers": 3, "held_out": "text.txt", "crossed_seeds": 5}
    given["tensorboard"] = True
    arguments = ["scripts/sweep.py", "--config=configs/quickstart.py"]
    arguments += [f"--{name}={value}" for name, value in given.items()]
    monkeypatch.setattr("sys.argv", arguments)
    with flagsaver.flagsaver():
        script.read_flags(arguments)
        config = script.read_config()
    assert {name: config[name] for name in given} == given
    assert all(f"--{name}" in README for name in given)
    assert Experiment.parse(config).workers == 3
