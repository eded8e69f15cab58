"""Every mistake: one sentence, exit code 2, nothing trained, nothing written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

import research.sweeps.executor as executor
from research.experiments.experiment import Experiment
from research.records.store import RunStore
from research.tasks.sampling import Regime, draw
from scripts import sweep as script
from tests.films import films, run, write_backbone, write_csv

ROOT = Path(__file__).parents[2]
NO_FILES = {"source": "file", "name": "mine", "train": "no.csv", "test": "no.csv"}
Change = dict[str, Any]


@pytest.fixture
def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """What scripts/sweep.py says of a config, after making sure that it did nothing else."""

    def train(*args: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(executor, "run_shard", train)
    monkeypatch.setattr(executor, "run_without_backbone", train)

    def say(config: dict[str, Any], folder: Path | None = None) -> str:
        file, results = tmp_path / "config.py", folder or tmp_path / "results"
        source = "from ml_collections import ConfigDict\nfrom math import inf\ndef get_config():\n"
        file.write_text(f"{source}    return ConfigDict({config!r})\n")
        before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
        with pytest.raises(SystemExit) as end:
            script.read_flags(["sweep.py", f"--config={file}", f"--results={results}"])
            script.main([])
        assert end.value.code == 2
        assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before
        assert results.exists() == bool(folder)
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ") and shown.err.endswith(".\n")
        assert shown.err.count("\n") == 1
        return shown.err.removeprefix("error: ")

    return say


def in_row(config: dict[str, Any], **values: Any) -> Change:
    """The change that gives the LoRA row other values."""
    return {"approaches": [*config["approaches"][:2], config["approaches"][2] | values]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 1}, "config is 'seed': not a field here; did you mean 'seeds'?"),
        ({"schedule": {"step": 1}}, "config.schedule is 'step': not a field here; did you mean"),
        ({"devices": {"nodes": 1}}, "config.devices is 'nodes': not a field here; did you mean"),
        ({"schedule": {"steps": "many"}}, "config.schedule.steps is 'many': a value of type int"),
        ({"schedule": {"batch_size": -1}}, "config.schedule.batch_size is -1: a whole number"),
        ({"schedule": {"accumulate": 3}}, "schedule.batch_size is 16: it has to divide into 3"),
        ({"seeds": 0}, "config.seeds is 0: a whole number from 1"),
        ({"precision": "int8"}, "config.precision is 'int8': allowed are 'float32', 'bfloat16'"),
        ({"backbone": "no/folder"}, "backbone is 'no/folder': no such folder here, and the hub"),
        ({"backbone": "$NOWHERE/x"}, "config.backbone is '$NOWHERE/x': its environment variable"),
        ({"devices": {"count": 9}}, "devices.count is 9: 1 to 8 devices are here"),
        ({"devices": {"layers": "scan"}}, "devices.layers is 'scan': the model has a single layer"),
        ({"devices": {"layers": "loop"}}, "config.devices.layers is 'loop': allowed are"),
        ({"regimes": ("30-shot",)}, "regime is '30-shot': class 'bad' has 20 examples to draw"),
        ({"regimes": (50,)}, "regime is '50': there are 40 examples to draw from, needed are 50"),
    ],
)
def test_a_mistake_in_the_experiment(
    refused: Callable, config: dict, change: Change, sentence: str
):
    assert refused(config | change).startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"source": "hub"},
            "config.tasks[0].source is 'hub': allowed are ag_news, choice_file, e2e_nlg, file, "
            "geoquery, gsm8k, lm_eval, metamathqa, number_file, sentences, superglue_copa, "
            "superglue_record, superglue_wsc, text_file, world",
        ),
        ({"lable": 1}, "config.tasks[0] is 'lable': not a field here; did you mean 'label'?"),
        ({"train": "none.csv"}, "file is 'none.csv': no such file"),
        ({"text": "txt", "templates": "{txt}:"}, "is 'txt': did you mean 'text'? allowed are"),
        ({"label": "lable"}, "is 'lable': did you mean 'label'? allowed are label, text"),
        ({"templates": "{txt}:"}, "template is '{txt}:': no column 'txt'; did you mean 'text'?"),
        ({"verbalizer": {"good": "yes"}}, "labels of train is ['bad']: the verbalizer has texts"),
        ({"verbalizer": {"good": "ok", "bad": "ok"}}, "is 'ok': label '"),
        ({"metric": "f1"}, "metric is 'f1': "),
    ],
)
def test_a_mistake_in_the_task(refused: Callable, config: dict, change: Change, sentence: str):
    assert sentence in refused(config | {"task": config["task"] | change})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"stages": [{"method": {"name": "lorra"}}]},
            "method.name is 'lorra': did you mean 'lora'",
        ),
        ({"stages": [{"method": {"name": "lora", "rang": 1}}]}, "is 'rang': not a field here; did"),
        ({"stages": [{"method": {"name": "lora", "rank": 0}}]}, "lora.rank is 0: a whole number"),
        (
            {"stages": [{"method": {"name": "last_layers", "last": 2}}]},
            "last_layers.last is 2: the",
        ),
        ({"trials": [{"learning_rate": None}]}, "['learning_rate'] is None: expected is int or"),
        ({"trials": [{"learning_rate": 1e999}]}, "learning_rate is inf: a number above 0"),
        ({"trials": [{"template": 2}]}, "template is 2: task films has the templates 0 to 1"),
        ({"demonstrations": -1}, "demonstrations is -1: a whole number from 0, or 'fit'"),
        ({"stages": [], "trials": {"prompts": 3}}, "trials.prompts is 3: without drawn demonstr"),
        ({"stages": [], "trials": [{}], "ensemble": 3}, "ensemble is 3: without drawn demonstra"),
    ],
)
def test_a_mistake_in_a_row(refused: Callable, config: dict, change: Change, sentence: str):
    assert sentence in refused(config | in_row(config, **change))


def test_an_empty_split(refused: Callable, config: dict, tmp_path: Path):
    for split in ("train", "test"):
        file = write_csv(tmp_path / "empty.csv", [])
        said = refused(config | {"task": config["task"] | {split: file}})
        assert said == f"split is {file!r}: it has no examples.\n"


def test_a_label_that_train_does_not_have(refused: Callable, config: dict, tmp_path: Path):
    file = write_csv(tmp_path / "test.csv", [*films(40, 48), ("a mixed film", "mixed")])
    said = refused(config | {"task": config["task"] | {"test": file}})
    assert said.startswith(
        "labels of test is ['mixed']: the verbalizer has texts for 'bad', 'good'"
    )


@pytest.fixture
def long(config: dict, tmp_path: Path) -> dict[str, Any]:
    """The experiment with three texts in test that do not fit."""
    rows = [(f"{'a great film ' * 40}{i}", "good") for i in range(3)]
    config["task"]["test"] = write_csv(tmp_path / "long.csv", [*films(40, 45), *rows])
    return config


def test_texts_that_are_too_long_are_counted(refused: Callable, long: dict):
    said = refused(long)
    assert said.startswith("too_long is 'error': 3 of 8 prompts are longer than the ")
    assert "'cut' cuts and counts them" in said


def test_a_text_that_only_a_later_seed_meets_is_found_before(
    refused: Callable, config: dict, tmp_path: Path
):
    """Of 40 texts seed 2 alone, which is not searched with, draws the long one."""
    task = Experiment.parse(config).tasks[0].load()
    drawn = [draw(task, Regime.parse("2-shot"), seed) for seed in range(3)]
    texts = [{e.fields["text"] for e in (*split.train, *split.dev)} for split in drawn]
    only = min(texts[2] - texts[0] - texts[1])
    rows = [(text * 20 if text == only else text, label) for text, label in films(0, 40)]
    config["task"]["train"] = write_csv(tmp_path / "one.csv", rows)
    assert "1 of 4 prompts are longer" in refused(config | {"regimes": ("2-shot",)})


@pytest.mark.thorough
def test_texts_are_cut_on_demand_and_the_table_says_so(long: dict, tmp_path: Path):
    change = in_row(long, trials=[{}])["approaches"][2:]
    long |= {"too_long": "cut", "approaches": change, "seeds": 2, "search_seeds": 1}
    folder = run(long, tmp_path / "results")
    trained = [record for record in RunStore(folder).all() if record.approach == "LoRA"]
    assert [record.notes.cut for record in trained] == [3, 3]
    for name in ("table.md", "table.tex"):
        text = (folder / name).read_text()
        assert "Texts truncated to fit the context: " in text and "3" in text.split("context: ")[1]


def tensors(folder: Path) -> Path:
    write_backbone(folder)
    return folder / "model.safetensors"


def test_tensors_that_do_not_fit_are_all_listed(refused: Callable, config: dict, tmp_path: Path):
    file = tensors(tmp_path / "broken")
    found = load_file(file)
    del found["model.layers.0.self_attn.q_proj.weight"]
    found["model.layers.7.extra"] = found["model.norm.weight"]
    found["model.layers.0.mlp.up_proj.weight"] = found["model.layers.0.mlp.up_proj.weight"][:3]
    save_file({name: array.copy() for name, array in found.items()}, file)
    said = refused(config | {"backbone": str(tmp_path / "broken")})
    assert "missing" in said and "model.layers.0.self_attn.q_proj.weight" in said
    assert "model.layers.7.extra" in said
    assert "model.layers.0.mlp.up_proj.weight" in said and "(3, 16)" in said


def test_a_truncated_checkpoint(refused: Callable, config: dict, tmp_path: Path):
    file = tensors(tmp_path / "broken")
    file.write_bytes(file.read_bytes()[:-1000])
    said = refused(config | {"backbone": str(tmp_path / "broken")})
    assert "model.safetensors" in said and "it is damaged" in said


def test_a_record_that_is_not_what_it_was(
    refused: Callable, config: dict, swept: Path, tmp_path: Path
):
    folder = shutil.copytree(swept, tmp_path / "copy")
    tested = next(r.run_id for r in RunStore(folder).all() if r.tested)
    other = next(r.run_id for r in RunStore(folder).all() if not r.tested)
    record, predictions = folder / "runs" / f"{tested}.json", folder / "predictions"
    content = record.read_text()
    for broken in (content.replace('"accuracy": ', '"accuracy": 0'), content[:-9], "{}"):
        record.write_text(broken)
        assert f"runs/{tested}.json" in refused(config, folder)
    record.write_text((folder / "runs" / f"{other}.json").read_text())
    assert f"run_id is '{other}': the file is named {tested}." in refused(config, folder)
    record.write_text(content)
    (predictions / f"{tested}.csv").write_text("item,gold,predicted\n")
    assert "content of the run record was changed" in refused(config, folder)


def test_a_damaged_record_is_found_before_what_is_missing_is_run(
    refused: Callable, config: dict, swept: Path, tmp_path: Path
):
    folder = shutil.copytree(swept, tmp_path / "copy")
    """Also one that the experiment no longer plans: the table is made of all there are."""
    first, *_, last = sorted(RunStore(folder).all(), key=lambda r: r.approach)
    config["approaches"] = [row for row in config["approaches"] if row["name"] != last.approach]
    (folder / "runs" / f"{first.run_id}.json").unlink()
    (folder / "runs" / f"{last.run_id}.json").write_text("{")
    assert "a run record in JSON is expected" in refused(config, folder)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--config.schedule.stepz=5", 'Did you mean "steps" instead of "stepz"?'),
        (
            "--config.schedule.accumulate=2",
            "--config.schedule.accumulate is '2': the config file leaves this field out",
        ),
        (f"--config.task={NO_FILES | {'verbalizer': {'0.0': 'bad'}}}", "'no.csv': no such file"),
        (f"--config.task={NO_FILES}", "file is 'no.csv': no such file"),
    ],
)
def test_the_command_line(flag: str, said: str, tmp_path: Path):
    command = [sys.executable, "scripts/sweep.py", "--config=configs/compare.py", flag]
    done = subprocess.run(
        [*command, f"--results={tmp_path / 'results'}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert said in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_command_line_without_a_config(capsys: pytest.CaptureFixture[str]):
    for flags, said in (
        ([], "--config is None: a file such as"),
        (["--config=none.py"], "none.py"),
        (["--confg=x.py"], "Unknown command line flag 'confg'"),
        (["--config=configs/compare.py", "x"], "only flags are expected"),
        (["--config=configs/compare.py:large"], "takes no such argument after the colon."),
    ):
        script.flags.FLAGS.unparse_flags()
        script.flags.FLAGS["config"].value = None
        with pytest.raises(SystemExit) as end:
            script.read_flags(["sweep.py", *flags])
        assert end.value.code == 2
        assert said in capsys.readouterr().err
