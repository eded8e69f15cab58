"""Approaches of several stages: what later runs share, merge, and train on elsewhere."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save

import research.runs.train as model_run
from research.common.errors import InputError
from research.experiments.cells import cells
from research.experiments.cohorts import stage_id
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.experiments.presets import gradual_unfreezing, hybrid, lp_ft
from research.models.backbone import load_backbone
from research.records.store import RunStore
from research.runs.stage_cache import StageCache
from research.sweeps.run_progress import progress_line
from research.sweeps.sweep import sweep
from research.training import member as training
from research.training.member import Outcome
from scripts import export
from tests.films import films, settings, write_csv, write_inputs

FULL = dict(method={"name": "full"}, learning_rate=0.01, schedule={"steps": 2})
PROMPT = dict(method={"name": "soft_prompt", "length": 2}, schedule={"steps": 4})
LORA = dict(method={"name": "lora", "rank": 2}, learning_rate=0.1, merge=True)
TRIALS = [{"learning_rate": rate} for rate in (0.01, 0.1, 1.0)]
APPROACHES = {
    "full, prompt": {"stages": [FULL, PROMPT], "trials": TRIALS},
    "full, LoRA": {"stages": [FULL, {"method": {"name": "lora", "rank": 2}}], "trials": TRIALS},
    "full, IA3": {"stages": [FULL, {"method": {"name": "ia3"}}]},
    "full, templates": {"stages": [{**FULL, "template": 1}], "trials": "templates"},
    "LoRA, merge, prompt": {"stages": [LORA, PROMPT]},
    "elsewhere": {"stages": [{**FULL, "task": "shows", "regime": "all"}, PROMPT]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_inputs(tmp_path_factory.mktemp("lineage"))
    shows = [(text.replace("film", "show"), label) for text, label in films(0, 24)]
    write_csv(folder / "shows.csv", shows)
    return folder


def config(folder: Path, *names: str, **changes: Any) -> dict[str, Any]:
    plain = settings(folder) | {"search_seeds": 1, "seeds": 2}
    films = plain.pop("task")
    plain["tasks"] = (films, films | {"name": "shows", "train": str(folder / "shows.csv")})
    plain["approaches"] = [{"name": name, **APPROACHES[name]} for name in names]
    return plain | changes


def runs(config: dict[str, Any], row: str, task: str = "films") -> list[Run]:
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    plan = cells(experiment, tasks, load_backbone(experiment.backbone).checksum)
    found = next(c for c in plan if c.approach.name == row and c.task.name == task)
    return found.search()


@pytest.mark.thorough
def test_a_stage_is_trained_once_for_all_that_start_from_it(folder, tmp_path, monkeypatch):
    """Two rows, of three trials and of one, begin with one first stage, on two tasks each."""
    trained: list[int] = []
    fit = model_run.fit

    def counting(program, members, options):
        if program.schedule.steps == 2:
            trained.append(len(members))
        return fit(program, members, options)

    monkeypatch.setattr(model_run, "fit", counting)
    plain = config(folder, "full, LoRA", "full, IA3", workers=1)
    sweep(Experiment.parse(plain), tmp_path, Console(file=io.StringIO()))
    assert trained == [1, 1, 1, 1]  # a task and a seed each
    assert not (tmp_path / "stages").exists()
    records = {r.run_id: r for r in RunStore(tmp_path).all() if r.backbone}
    assert all(len(record.history) == 2 for record in records.values())
    params = sum(leaf.size for leaf in load_backbone(plain["backbone"]).params.values())
    lora = [r for r in records.values() if r.approach == "full, LoRA"]
    assert {r.costs.trained_params for r in lora} == {params + 2 * (16 + 16 + 16 + 8)}
    # Alone and without what was shared, a run gives the same numbers.
    [alone] = [one for one in runs(plain, "full, LoRA") if one.trial["learning_rate"] == 0.1]
    single = config(folder, "full, LoRA", workers=1, seeds=1)
    single["approaches"][0]["trials"] = [{"learning_rate": 0.1}]
    sweep(Experiment.parse(single), tmp_path / "single", Console(file=io.StringIO()))
    again = RunStore(tmp_path / "single").read(alone.id)
    assert again.history == records[alone.id].history
    assert replace(again.notes, cut_beside_test={}) == records[alone.id].notes  # it is tested
    assert again.metrics["dev"] == records[alone.id].metrics["dev"]


def test_progress_of_a_stage_has_the_total_where_there_is_one_stage(folder):
    for name, said in (("full, IA3", "step 3"), ("full, templates", "step 3/2")):
        [one, *_] = runs(config(folder, name), name)
        assert progress_line([one], 3, []).endswith(said)


def test_what_makes_a_lineage(folder):
    plain = config(folder, *APPROACHES)
    first = {row: stage_id(runs(plain, row)[0], 0) for row in APPROACHES}
    assert stage_id(runs(plain, "full, prompt")[1], 0) == first["full, prompt"]
    assert first["full, LoRA"] != first["full, prompt"]  # a prompt takes positions from the texts
    assert first["full, IA3"] == first["full, LoRA"]
    assert len(set(first.values())) == len(first) - 1
    ids = {stage_id(one, 0) for one in runs(plain, "full, templates")}
    assert len(ids) == 1
    elsewhere = {stage_id(runs(plain, "elsewhere", task)[0], 0) for task in ("films", "shows")}
    assert len(elsewhere) == 1
    own = {stage_id(runs(plain, "full, prompt", task)[0], 0) for task in ("films", "shows")}
    assert len(own) == 2


@pytest.mark.thorough
def test_merged_templates_and_another_task(folder, tmp_path):
    names = ("full, templates", "LoRA, merge, prompt", "elsewhere")
    plain = config(folder, *names, seeds=1, keep_trained=True)
    sweep(Experiment.parse(plain), tmp_path, Console(file=io.StringIO()))
    records = [r for r in RunStore(tmp_path).all() if r.backbone and r.task == "films"]
    rows = {name: [r for r in records if r.approach == name] for name in names}
    # Two prompts of one trained model: the same steps, other scores.
    one, two = rows["full, templates"]
    assert one.history == two.history and one.metrics["dev"] != two.metrics["dev"]
    [merged] = rows["LoRA, merge, prompt"]
    assert merged.costs.trained_params == 2 * (16 + 16) + 2 * (16 + 8) + 2 * 16
    assert not (tmp_path / "stages").exists() and not (tmp_path / "checkpoints").exists()
    # What is kept is the merged kernels and the prompt, for which alone an export asks.
    backbone, methods, kept = export.run(str(tmp_path), merged.run_id)
    assert [method.name for method in methods] == ["soft_prompt"]
    kernels = {f"layers_0/attention/{name}/kernel" for name in ("query", "value")}
    assert kept.keys() == {*kernels, "soft_prompt:/prompt"}
    assert merged.costs.stored_bytes == 4 * (16 * 16 + 16 * 8 + 2 * 16)
    assert all(np.any(kept[path] != backbone.params[path]) for path in kernels)
    [elsewhere] = rows["elsewhere"]
    assert list(elsewhere.settings["stage_tasks"]) == ["shows"]


OTHER = {"progress": '{"stepz": 1}'}


@pytest.mark.parametrize("content", [b"half", save({}), save({}, OTHER), save({}, {"x": ""})])
def test_a_damaged_stage_is_named(tmp_path, content):
    store = StageCache(tmp_path)
    (tmp_path / "abc.safetensors").write_bytes(content)
    assert store.has("abc") and not store.has("abd")
    with pytest.raises(InputError, match="stage is .*abc.safetensors.*delete it"):
        store.read("abc")


def test_threads_train_a_stage_once(tmp_path):
    """Four cells begin with some of three stages, in whatever order they name them."""
    store, trained = StageCache(tmp_path), []

    def asked(ids: tuple[str, ...]) -> dict[str, Outcome]:
        def train() -> dict[str, Outcome]:
            trained.append(ids)
            time.sleep(0.05)
            leaf = np.full(3, len(trained), np.float32)
            return {
                id: Outcome({"leaf": leaf}, training.MemberProgress(steps=len(trained)))
                for id in ids
            }

        return store.get_or_train(ids, train)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(asked, [("a", "b"), ("b", "a"), ("b",), ("c", "b")]))
    assert all(sum(id in ids for ids in trained) == 1 for id in "ac") and len(trained) <= 3
    for id in "abc":
        same = [of[id] for of in found if id in of]
        assert all(one.progress == same[0].progress for one in same)
        assert len({one.trained["leaf"][0] for one in same}) == 1


def test_a_stage_goes_with_the_last_cell_that_starts_from_it(tmp_path):
    store = StageCache(tmp_path)
    for ids in (("a", "b"), ("b",), ()):
        store.expect(ids)
    for id in ("a", "b", "unknown"):
        store.write(id, Outcome({}, training.MemberProgress()))
    store.release(("a", "b"))
    assert not store.has("a") and store.has("b")
    store.release(("b",))
    assert not store.has("b") and store.has("unknown")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{**FULL, "task": "gone"}], "stages.task is 'gone'.*films"),
        ([{"method": {"name": "head"}, "task": "shows"}], "task is 'shows': a head has"),
        ([{"method": {"name": "head"}, "task": "shows"}, FULL], "task is 'shows': a head has"),
        ([LORA, {"method": {"name": "lora"}}], "stages is 'lora': it was merged"),
        ([{**FULL, "regime": "many"}], "regime"),
        ([{**FULL, "merge": 1}], "merge is 1"),
    ],
)
def test_stages_that_make_no_sense(folder, stages, message):
    plain = config(folder)
    plain["approaches"] = [{"name": "row", "stages": stages}]
    with pytest.raises(InputError, match=message):
        Experiment.parse(plain)


def test_what_cannot_be_merged_is_refused_before_anything_trains(folder, tmp_path):
    plain = config(folder)
    plain["approaches"] = [{"name": "row", "stages": [{**PROMPT, "merge": True}, FULL]}]
    with pytest.raises(InputError, match="method is 'soft_prompt': .* cannot be merged"):
        sweep(Experiment.parse(plain), tmp_path, Console(file=io.StringIO()))
    assert not list(tmp_path.glob("runs/*"))


def test_rates_that_fit_nothing_are_refused_before_anything_trains(folder, tmp_path):
    plain = config(folder)
    schedule = {"rates": [{"leaves": "gone", "factor": 2.0}]}
    plain["approaches"] = [{"name": "row", "stages": [{**PROMPT, "schedule": schedule}]}]
    with pytest.raises(InputError, match="rates.leaves is 'gone': it fits nothing"):
        sweep(Experiment.parse(plain), tmp_path, Console(file=io.StringIO()))
    assert not list(tmp_path.glob("runs/*"))


def test_a_control_spends_the_same_steps_on_the_first_stage():
    row, control = hybrid("both", [FULL, PROMPT], TRIALS)
    assert row["stages"] == [FULL, PROMPT]
    assert control["stages"] == [FULL | {"schedule": {"steps": 6}}]
    rates = [trial["learning_rate"] for trial in control["trials"]]
    np.testing.assert_allclose(rates, [0.01, 0.01 / 3, 0.03])


def test_rows_of_several_stages(folder):
    plain = config(folder)
    plain["approaches"] = [
        lp_ft("LP-FT", 0.01, (1e-4, 1e-3)),
        gradual_unfreezing("gradual", 3, 30, (1e-4, 1e-3)),
    ]
    tuned, gradual = Experiment.parse(plain).approaches
    assert [len(stage.methods) for stage in tuned.stages] == [1, 2]
    last = tuned.at(tuned.trials[1])  # pyright: ignore
    assert [stage.learning_rate for stage in last.stages] == [0.01, 1e-3]
    whole = gradual.at(gradual.trials[1])  # pyright: ignore
    assert [stage.learning_rate for stage in whole.stages] == [1e-3] * 3
    assert [stage.schedule.steps for stage in whole.stages] == [10] * 3
    assert [stage.methods[0].last for stage in whole.stages] == [1, 2, 3]  # pyright: ignore
