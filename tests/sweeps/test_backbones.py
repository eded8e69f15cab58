"""A sweep of several backbones: every run is that of a sweep with its backbone alone."""

import io
import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import research.sweeps.executor as executor
from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.models.backbone import Backbone
from research.records.failures import read_failures
from research.records.store import RunStore
from research.reporting.build import check_tables
from research.reporting.grid.grid import read_grid
from research.reporting.tables.dry_run import dry_run_tables
from research.runs.open_contexts import OpenContexts
from research.sweeps.dry_run.dry_run import plan_only
from research.sweeps.progress import SweepProgress
from research.sweeps.single_run import RunRequest, train_run
from research.sweeps.sweep import sweep
from scripts import report
from tests import checkpoints, films
from tests.sweeps.family_experiments import SPECIAL, prepared, trained, write_tokenizer
from tests.sweeps.results_folder import contents, results

LORA = {"name": "lora", "rank": 2}
APPROACHES = [
    {"name": "zero-shot", "trials": [{"template": 0}]},
    {**trained("LoRA", LORA), "trials": [{"learning_rate": 0.01}, {"learning_rate": 0.1}]},
    trained("head", {"name": "head", "pool": "mean"}),
]


def write_backbone(folder: Path, variant: str, *special: str) -> str:
    checkpoints.write(folder, variant)
    write_tokenizer(folder, **{name: SPECIAL[name] for name in special})
    return str(folder)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An experiment with a decoder and an encoder; only the encoder carries such a head."""
    folder = tmp_path_factory.mktemp("backbones")
    config = prepared(folder, "llama", ("bos",), APPROACHES)
    del config["backbone"]
    config |= {
        "backbones": (
            write_backbone(folder / "decoder", "llama", "bos"),
            write_backbone(folder / "encoder", "bert", "cls", "sep", "mask"),
        ),
        "seeds": 2,
        "workers": 1,
    }
    return config


@pytest.fixture(scope="module")
def swept(several: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the experiment; to be copied, not changed."""
    return films.run(several, tmp_path_factory.mktemp("several"))


def alone(config: dict[str, Any], index: int, rows: int) -> dict[str, Any]:
    """The experiment with one of the backbones and the first rows."""
    rest = {name: value for name, value in config.items() if name != "backbones"}
    approaches = config["approaches"][:rows]
    return {**rest, "backbone": config["backbones"][index], "approaches": approaches}


def comparable(folder: Path) -> dict[str, Any]:
    """`results` without the names of all backbones."""
    runs = results(folder)
    for run in runs.values():
        run["configuration"].pop("backbones", None)
    return runs


def test_each_run_is_that_of_a_sweep_with_its_backbone(several: dict, swept: Path, tmp_path: Path):
    decoder = comparable(films.run(alone(several, 0, rows=2), tmp_path / "decoder"))
    encoder = comparable(films.run(alone(several, 1, rows=3), tmp_path / "encoder"))
    runs = comparable(swept)
    assert runs.keys() == decoder.keys() | encoder.keys()
    of_decoder = {id: run for id, run in decoder.items() if run.get("backbone")}
    assert of_decoder
    for expected in (of_decoder, encoder):
        for id, run in expected.items():
            # Baselines are of the first backbone's part.
            if "backbone" not in run:
                run["configuration"]["backbone"] = several["backbones"][0]
            assert runs[id] == run


def test_the_tables_have_a_row_for_each_backbone(several: dict, swept: Path):
    grid = read_grid(swept)
    assert grid.rows[:5] == (
        "zero-shot on decoder",
        "LoRA on decoder",
        "zero-shot on encoder",
        "LoRA on encoder",
        "head on encoder",
    )
    assert set(grid.rows[5:]) == grid.baselines and grid.backbones == ("decoder", "encoder")
    table = (swept / "table.md").read_text()
    assert "tiny: test scores with decoder, encoder" in table and "| LoRA on encoder |" in table
    assert "§" not in table  # the same row with two backbones is not two choices
    refused = "Refused: head on decoder, films, 4-shot: not run: "
    assert refused in table and "head of a decoder reads" in table and "Unfinished" not in table
    lines = (swept / "table.csv").read_text().splitlines()
    assert lines[0].startswith("approach,backbone,task,")
    assert any(line.startswith(f"LoRA,{several['backbones'][1]},films,") for line in lines)
    costs = (swept / "costs.md").read_text()
    assert "whole model" in costs and "milliseconds" in costs
    page = (swept / "page.html").read_text()
    assert "5 approaches · 2 backbones · " in page and "LoRA on encoder" in page
    assert "Score against the size of the model" in page
    assert check_tables(swept) == []


def test_costs_tell_the_backbones_apart(several: dict, swept: Path):
    grid = read_grid(swept)
    column = grid.columns[0]
    cells = {row: grid.cell(row, column) for row in grid.rows}
    sizes = {row: cell.cost("model_bytes") for row, cell in cells.items() if cell}
    reference = next(r.backbone for r in RunStore(swept).all() if r.approach == "head")
    assert reference and reference.name == several["backbones"][1]
    assert sizes["zero-shot on encoder"] == 4 * (reference.parameters or 0)
    assert sizes["zero-shot on encoder"] != sizes["zero-shot on decoder"]
    assert (sizes["LoRA on encoder"] or 0) > (sizes["zero-shot on encoder"] or 0)
    assert all(cell.cost("milliseconds") is not None for cell in cells.values() if cell)


def test_check_and_advice(swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = shutil.copytree(swept, tmp_path / "results")
    assert report.main([str(folder), "--check"]) == 0
    assert capsys.readouterr().err == ""
    assert report.main([str(folder), "--price_per_hour", "2"]) == 0
    assert "1,000 answers" in (folder / "costs.md").read_text()
    capsys.readouterr()
    assert report.main([str(folder), "--advise", "--model_bytes", "1e9"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "on encoder" in shown and "Milliseconds per answer" in shown
    assert report.main([str(folder), "--advise", "--model_bytes", "1"]) == 0
    assert "model bytes at most 1 B missed by" in " ".join(capsys.readouterr().out.split())


def test_the_log_of_test_evaluations_names_the_backbone(swept: Path):
    lines = map(json.loads, (swept / "test_access.jsonl").read_text().splitlines())
    of_lora = [line for line in lines if line["approach"] == "LoRA"]
    checksums = {r.backbone.checksum for r in RunStore(swept).all() if r.backbone}
    assert {line["backbone"] for line in of_lora} == checksums and len(of_lora) == 2


def test_a_cell_that_one_backbone_refuses_does_not_end_the_sweep(
    several: dict, swept: Path, tmp_path: Path
):
    [failure] = read_failures(swept)
    assert failure.refused and failure.cell == ("head", "films", "4-shot")
    assert failure.backbone == several["backbones"][0]
    shown, folder = io.StringIO(), shutil.copytree(swept, tmp_path / "results")
    assert sweep(Experiment.parse(several), folder, Console(file=shown, width=500)) == []
    assert "head on decoder, films, 4-shot: not run: " in shown.getvalue()


def test_a_cell_that_all_backbones_refuse_does(several: dict, tmp_path: Path):
    folder = Path(several["backbones"][0]).parent
    other = write_backbone(tmp_path / "other", "gpt2", "bos")
    config = several | {"backbones": (several["backbones"][0], other)}
    with pytest.raises(InputError, match="the head of a decoder reads 'last'"):
        films.run(config, tmp_path / "results")
    assert not (tmp_path / "results").exists() and folder.exists()


def test_a_finished_sweep_runs_nothing_again(
    several: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = shutil.copytree(swept, tmp_path / "results")
    monkeypatch.setattr(executor, "run_shard", None)
    films.run(several, folder)
    assert contents(folder) == contents(swept)


@pytest.mark.thorough
def test_a_stopped_sweep_continues(
    several: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It ends in the second backbone's part; no run of the first is executed again."""
    run_shard, executed = executor.run_shard, []

    def stop(shard: Any, context: Any, *rest: Any) -> Any:
        executed.append(context.backbone.name)
        if context.backbone.name == several["backbones"][1] and len(set(executed)) == 2:
            raise KeyboardInterrupt
        return run_shard(shard, context, *rest)

    monkeypatch.setattr(executor, "run_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        films.run(several, tmp_path)
    monkeypatch.setattr(executor, "run_shard", run_shard)
    first = {r.run_id: r.created for r in RunStore(tmp_path).all()}
    assert first and several["backbones"][1] in executed
    films.run(several, tmp_path)
    assert comparable(tmp_path) == comparable(swept)
    stored = {record.run_id: record.created for record in RunStore(tmp_path).all()}
    assert first.items() <= stored.items() and check_tables(tmp_path) == []


@pytest.mark.thorough
def test_one_backbone_first_and_the_others_later(
    several: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The runs with the first backbone are kept, and their test evaluations are its own."""
    films.run(alone(several, 0, rows=2), tmp_path)
    assert "| LoRA |" in (tmp_path / "table.md").read_text()
    run_shard, executed = executor.run_shard, set()

    def note(shard: Any, context: Any, *rest: Any) -> Any:
        executed.add(context.backbone.name)
        return run_shard(shard, context, *rest)

    monkeypatch.setattr(executor, "run_shard", note)
    films.run(several, tmp_path)
    assert executed == {several["backbones"][1]}
    assert read_grid(tmp_path).rows == read_grid(swept).rows
    assert "§" not in (tmp_path / "table.md").read_text()


@pytest.mark.thorough
def test_worker_processes_give_the_same(several: dict, swept: Path, tmp_path: Path):
    experiment = Experiment.parse(several | {"workers": 2})
    assert sweep(experiment, tmp_path, Console(file=io.StringIO())) == []
    assert comparable(tmp_path) == comparable(swept)


@pytest.mark.thorough
def test_progress_counts_the_runs_of_all_backbones(
    several: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made, create = [], SweepProgress.__init__

    def remember(self: SweepProgress, *arguments: Any) -> None:
        create(self, *arguments)
        made.append(self)

    monkeypatch.setattr(SweepProgress, "__init__", remember)
    folder = shutil.copytree(swept, tmp_path / "results")
    sweep(Experiment.parse(several), folder, Console(file=io.StringIO()))
    [progress] = made
    assert progress.done == progress.total == len(RunStore(swept).ids())


@pytest.mark.thorough
def test_a_failed_cell_names_its_backbone(
    several: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = several | {"approaches": several["approaches"][:1]}
    run_shard = executor.run_shard

    def fail(shard: Any, context: Any, *rest: Any) -> Any:
        if context.backbone.name == several["backbones"][1]:
            raise MemoryError
        return run_shard(shard, context, *rest)

    monkeypatch.setattr(executor, "run_shard", fail)
    [failure] = sweep(Experiment.parse(config), tmp_path, Console(file=io.StringIO()))
    assert failure.backbone == several["backbones"][1] and not failure.refused
    assert str(failure).startswith(f"zero-shot on {several['backbones'][1]}, films, 4-shot: run ")
    monkeypatch.undo()
    films.run(config, tmp_path)
    assert read_failures(tmp_path) == ()


def test_one_backbone_is_in_memory(several: dict, tmp_path: Path):
    contexts = OpenContexts(tmp_path)
    first, second = Experiment.parse(several).by_backbone
    params = weakref.ref(next(iter(contexts.of(first).backbone.params.values())))
    assert params() is not None and contexts.of(first) is contexts.of(first)
    assert contexts.of(second).backbone.name == several["backbones"][1]
    assert params() is None


def test_the_plan_has_a_table_for_each_backbone(several: dict, swept: Path, tmp_path: Path):
    dry_runs = [plan_only(part, tmp_path) for part in Experiment.parse(several).by_backbone]
    first, second = dry_run_tables(dry_runs)
    assert several["backbones"][0] in first.title and several["backbones"][1] in second.title
    planned = sum(row.runs for dry_run in dry_runs for row in dry_run.rows)
    assert any(f"All 2 backbones, one after the other: {planned} runs" in n for n in second.notes)
    assert any(note.startswith("head is not run: head.pool is 'mean'") for note in first.notes)
    assert planned == len(RunStore(swept).ids())
    assert not (tmp_path / "runs").exists()


def test_rates_follow_the_size_of_each_backbone(
    several: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def parameters(backbone: Backbone) -> int:
        return 10**8 if backbone.name == several["backbones"][1] else 10**6

    monkeypatch.setattr(Backbone, "parameters", property(parameters))
    row = several["approaches"][1] | {"trials": "learning_rates"}
    experiment, contexts = Experiment.parse(several | {"approaches": [row]}), OpenContexts(tmp_path)
    tasks, rates = {task.name: task.load() for task in experiment.tasks}, []
    for part in experiment.by_backbone:
        cells = contexts.of(part).cells(part, tasks)
        [cell] = [cell for cell in cells if cell.approach.name == "LoRA"]
        rates.append([trial["learning_rate"] for trial in cell.trials])
    small, large = rates
    assert small == pytest.approx([10 * float(rate) for rate in large])


def test_one_run_of_a_backbone(several: dict, swept: Path, tmp_path: Path):
    request = RunRequest("LoRA", learning_rate=0.01, backbone=several["backbones"][1])
    record = train_run(Experiment.parse(several), tmp_path, request, lambda progress: None)
    assert record.run_id in RunStore(swept).ids()
    assert record.backbone and record.backbone.name == several["backbones"][1]
    baseline = RunRequest("majority class", backbone=several["backbones"][1])
    record = train_run(Experiment.parse(several), tmp_path, baseline, lambda progress: None)
    assert record.run_id in RunStore(swept).ids()
    unknown = RunRequest("LoRA", backbone="gpt3")
    with pytest.raises(InputError, match="backbone is 'gpt3'.*allowed are"):
        train_run(Experiment.parse(several), tmp_path, unknown, lambda progress: None)


def test_the_same_model_twice_is_refused(several: dict, tmp_path: Path):
    shutil.copytree(several["backbones"][0], tmp_path / "copy")
    config = several | {"backbones": (several["backbones"][0], str(tmp_path / "copy"))}
    config["approaches"] = several["approaches"][:1]
    with pytest.raises(InputError, match="config.backbones is .*copy.*the same model as .*decoder"):
        films.run(config, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.thorough
def test_a_chat_is_refused_by_a_backbone_without_a_template(several: dict, tmp_path: Path):
    chat = write_backbone(tmp_path / "chat", "gpt2", "bos", "eos")
    file = Path(chat) / "tokenizer_config.json"
    turns = "{% for m in messages %}[CLS] {{ m['content'] }} </s>{% endfor %}"
    settings = json.loads(file.read_text()) | {
        "chat_template": turns + "{% if add_generation_prompt %}[CLS] {% endif %}"
    }
    file.write_text(json.dumps(settings))
    row = {**several["approaches"][0], "name": "chat", "chat": True}
    config = several | {"backbones": (several["backbones"][0], chat), "approaches": [row]}
    grid = read_grid(films.run(config | {"seeds": 1}, tmp_path / "results"))
    assert grid.rows[0] == "chat on chat"
    [(key, failure)] = grid.failures.items()
    assert key == ("chat on decoder", "films", "4-shot") and failure.refused
    assert "chat" in failure.reason
