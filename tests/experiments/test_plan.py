"""Which runs there are, and what their ids do and do not depend on."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.approach import Approach
from research.experiments.cohorts import stage_id
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run, cells
from research.experiments.stage import Stage
from research.methods.lora import LoRA
from research.training.optimizer import Schedule


def plan(config: dict[str, Any], checksum: str = "backbone") -> list[CellPlan]:
    experiment = Experiment.parse(config)
    return list(cells(experiment, {task.name: task.load() for task in experiment.tasks}, checksum))


def first(config: dict[str, Any], row: str = "LoRA", checksum: str = "backbone") -> Run:
    """The first search run of a row."""
    return next(c for c in plan(config, checksum) if c.approach.name == row).search()[0]


def with_row(config: dict[str, Any], row: str = "LoRA", **values: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    next(one for one in config["approaches"] if one["name"] == row).update(values)
    return config


def with_stage(config: dict[str, Any], **values: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    config["approaches"][2]["stages"][0] |= values
    return config


def test_cells_stand_in_the_order_of_the_config(config: dict):
    config["regimes"] = ("4-shot", 10)
    names = ["zero-shot", "few-shot", "majority class", "TF-IDF + logistic regression", "LoRA"]
    found = plan(config)
    assert [cell.approach.name for cell in found] == names * 2
    assert [str(cell.regime) for cell in found] == ["4-shot"] * 5 + ["10"] * 5
    assert [cell.order["approach"] for cell in found[:5]] == [0, 1, 3, 4, 2]
    assert str(found[-1]) == "LoRA, films, 10"


def test_a_cell_searches_with_some_seeds_and_ends_with_all(config: dict):
    cell = plan(config)[-1]
    search = cell.search()
    assert [(r.trial["learning_rate"], r.seed) for r in search] == [
        (rate, seed) for rate in (0.01, 0.1, 1.0) for seed in (0, 1)
    ]
    final = cell.final({"learning_rate": 0.1})
    assert [r.seed for r in final] == [0, 1, 2] and final[:2] == search[2:4]
    assert cell.size == len({r.id for r in (*search, *final)}) == 7


def test_an_id_is_the_same_as_ever(config: dict):
    """If this fails, every stored run is orphaned: either undo it or raise CODE_VERSION."""
    run = first(config)
    made_of = {**run.settings, "task": {"name": "films", "checksum": "task"}}
    assert made_of == {
        "code_version": 6,
        "task": {"name": "films", "checksum": "task"},
        "regime": "4-shot",
        "approach": {
            "name": "LoRA",
            "stages": [
                {
                    "method": {"name": "lora", "rank": 2, "targets": ["query", "value", "down"]},
                    "schedule": {"steps": 4, "batch_size": 4, "eval_every": 2},
                    "learning_rate": 0.01,
                }
            ],
        },
        "seed": 0,
        "max_dev": 256,
        "backbone": "backbone",
        "too_long": "error",
        "precision": "float32",
    }
    assert first(config, "majority class").settings.keys() == {
        "code_version",
        "task",
        "regime",
        "approach",
        "seed",
        "max_dev",
    }


def test_an_id_does_not_depend_on_what_changes_no_number(config: dict):
    id = first(config).id
    fewer = with_row(config, trials=[{"learning_rate": 0.01}])
    for same in (
        fewer,
        config | {"name": "other", "seeds": 9, "search_seeds": 1, "workers": 1},
        config | {"devices": {"count": 2, "members": "vmap"}},
        config | {"held_out": "world"},
        config | {"regimes": ("4-shot", "2-shot")},
        config | {"approaches": config["approaches"][2:]},
        with_stage(config, weight_decay=0.0, schedule={"accumulate": 1}),
    ):
        assert first(same).id == id


@dataclasses.dataclass(frozen=True)
class Longer(Approach):
    """An approach as a later version may have it."""

    added: int = 0


def test_a_new_field_with_a_default_orphans_nothing(config: dict):
    run = first(config)
    values = {f.name: getattr(run.cell.approach, f.name) for f in dataclasses.fields(Approach)}
    later = dataclasses.replace(run.cell, approach=Longer(**values))
    assert Run(later, run.trial, run.seed).id == run.id
    longer = dataclasses.replace(later, approach=Longer(**values, added=1))
    assert Run(longer, run.trial, run.seed).id != run.id


# A value off its default for each field that numbers depend on; a new field belongs here as well.
OF_SCHEDULE = {
    "steps": 5,
    "batch_size": 8,
    "accumulate": 2,
    "optimizer": "adafactor",
    "warmup": 0.2,
    "decay": "cosine",
    "clip": None,
    "eval_every": 3,
    "patience": 2,
    "rates": [{"leaves": ".*/b", "factor": 2.0}],
    "label_smoothing": 0.1,
    "parameter_scale": False,
    "factored": False,
    "dropout": 0.1,
    "warmup_from_zero": True,
}
OF_METHOD = {
    "rank": 3,
    "alpha": 8.0,
    "dropout": 0.1,
    "targets": ("query",),
    "ranks": [{"layers": "query", "rank": 1}],
    "stabilised": True,
    "b_rate": 2.0,
    "start": "pissa",
}
OF_STAGE = {"merge": True, "template": 1, "task": "films", "regime": "3-shot", "weight_decay": 0.1}
OF_APPROACH = {"name": "LoRA 2", "template": 1, "demonstrations": 1, "draw": 1}
OF_APPROACH |= {"normalisation": "bytes", "target_end": False, "prior": "domain"}
OF_EXPERIMENT = {"regimes": ("3-shot",), "max_dev": 4, "too_long": "cut", "precision": "bfloat16"}
OF_EXPERIMENT |= {"max_tokens": 40, "bos": "never"}


def test_no_field_is_forgotten_here():
    def names(cls: type) -> set[str]:
        return {f.name for f in dataclasses.fields(cls)}

    assert OF_SCHEDULE.keys() == names(Schedule) and OF_METHOD.keys() == names(LoRA)
    assert OF_STAGE.keys() | {"methods", "schedule", "learning_rate"} == names(Stage)
    other = {"stages", "trials", "baseline", "options", "choice", "ensemble", "scoring"}
    other |= {"answers", "endpoint"}  # rows without the backbone
    assert OF_APPROACH.keys() | other == names(Approach)
    elsewhere = {"name", "backbone", "tasks", "approaches", "schedule", "seeds", "search_seeds"}
    elsewhere |= {"approaches_on", "architecture", "devices", "workers", "keep_trained", "held_out"}
    elsewhere |= {"stage_tasks"}  # a stage that trains on one has its checksum
    elsewhere |= {"crossed_seeds"}  # which runs there are
    elsewhere |= {"price_per_hour", "price_per_example"}  # what runs cost is told afterwards
    elsewhere |= {"tensorboard", "score_train"}
    assert OF_EXPERIMENT.keys() | elsewhere == names(Experiment)


def test_an_id_depends_on_everything_that_changes_numbers(config: dict, tmp_path):
    run = first(config)
    method = config["approaches"][2]["stages"][0]["method"]
    changed = [
        *(with_stage(config, schedule={name: value}) for name, value in OF_SCHEDULE.items()),
        *(with_stage(config, method={**method, name: v}) for name, v in OF_METHOD.items()),
        with_stage(config, method={"name": "full"}),
        *(with_stage(config, **{name: value}) for name, value in OF_STAGE.items()),
        *(config | {name: value} for name, value in OF_EXPERIMENT.items()),
        *(
            config | {"task": config["task"] | change}
            for change in (
                {"name": "other"},
                {"templates": "{text}\nSo:"},
                {"verbalizer": {"good": "yes", "bad": "no"}},
                {"verbalizer": {"good": "good", "bad": "bad"}},  # another order of labels
                {"end": "."},
                {"metric": "macro_f1"},
                {"test": config["task"]["train"]},
                {"dev": config["task"]["test"]},
            )
        ),
        with_row(config, trials=[{"learning_rate": 0.02}]),
    ]
    ids = [first(one).id for one in changed]
    for name, value in OF_APPROACH.items():
        values = with_row(config, **{name: value})
        ids.append(first(values, str(value) if name == "name" else "LoRA").id)
    shown = {"demonstrations": 2, "ensemble": 2}
    for choice in ("random", "nearest", "balanced"):
        ids.append(first(with_row(config, "few-shot", choice=choice, **shown), "few-shot").id)
    ids.append(first(with_row(config, "few-shot", demonstrations=2), "few-shot").id)
    ids.append(first(config, checksum="other").id)
    ids.append(Run(run.cell, run.trial, seed=1).id)
    assert len({run.id, *ids}) == 1 + len(ids)


def test_training_with_other_targets_is_another_stage(config: dict):
    runs = [first(with_row(config, target_end=end)) for end in (True, False)]
    assert stage_id(runs[0], 0) == stage_id(first(config), 0) != stage_id(runs[1], 0)


def test_a_task_may_have_a_schedule_of_its_own(config: dict):
    films = config.pop("task")
    config["tasks"] = (films, films | {"name": "shows"})
    own = plan(config | {"schedules": {"shows": {"steps": 9}}})
    steps = {
        c.task.name: [s.schedule.steps for s in c.approach.stages] for c in own if c.approach.stages
    }
    assert steps == {"films": [4], "shows": [9]}
    plain = {cell.search()[0].id for cell in plan(config)}
    changed = [cell for cell in own if cell.search()[0].id not in plain]
    assert {(c.task.name, c.approach.name) for c in changed} == {("shows", "LoRA")}


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        ({"gone": {}}, "config.schedules is 'gone'"),
        ({"films": 3}, "config.schedules.films is 3"),
        ({"films": {"stepz": 3}}, "config.schedules.films is 'stepz'"),
        ([], r"config.schedules is \[\]"),
    ],
)
def test_schedules_that_are_none(config: dict, schedules, message):
    with pytest.raises(InputError, match=message):
        Experiment.parse(config | {"schedules": schedules})


@pytest.mark.parametrize("row", ["majority class", "zero-shot"])
def test_rows_that_do_not_train_share_what_they_can(config: dict, row: str):
    same = first(config, row).id
    assert first(config | {"schedule": {"steps": 9}}, row).id == same
    assert (first(config, row, checksum="other").id == same) == (row == "majority class")


def test_the_content_of_the_file_makes_the_run(config: dict, tmp_path: Path):
    """Another prompt at the same path is another run; without a file, nothing is new in an id."""
    file = tmp_path / "prompt.npy"
    method = {"name": "soft_prompt", "length": 3, "start": "file", "file": str(file)}
    stages = [{"method": method}, {"method": {"name": "lora", "rank": 2}}]
    config = with_row(config, stages=stages)
    ids = []
    for prompt in (np.ones((3, 16)), np.zeros((3, 16)), np.ones((3, 16))):
        np.save(file, prompt)
        run = first(config)
        ids.append((run.id, stage_id(run, 0)))
    assert ids[0] == ids[2] and not set(ids[0]) & set(ids[1])
    assert "sources" not in first(with_row(config, stages=stages[1:])).settings
    file.unlink()
    with pytest.raises(InputError, match="soft_prompt.file"):
        print(first(config).id)
