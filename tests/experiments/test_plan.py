"""Which runs there are, and what their ids do and do not depend on."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.approach import Approach
from research.experiments.cells import ChatPlan, cells
from research.experiments.cohorts import stage_id
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.experiments.run_configuration import run_configuration
from research.experiments.scorings import ALONE, WITH_END
from research.experiments.stage import Stage
from research.methods.lora import LoRA
from research.tasks.prompts.layout import LayoutSettings
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
    "objective": "choices",
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
OF_APPROACH |= {"chat": True, "instruction": "Good or bad?"}
OF_APPROACH |= {"rationale": True, "samples": 2, "temperature": 0.5, "max_new_tokens": 9}
OF_APPROACH |= {"answer_by": "text", "constrained": True}
OF_EXPERIMENT = {"regimes": ("3-shot",), "max_dev": 4, "too_long": "cut", "precision": "bfloat16"}
OF_EXPERIMENT |= {"max_tokens": 40, "bos": "never"}


def test_no_field_is_forgotten_here():
    def names(cls: type) -> set[str]:
        return {f.name for f in dataclasses.fields(cls)}

    assert OF_SCHEDULE.keys() == names(Schedule) and OF_METHOD.keys() == names(LoRA)
    assert OF_STAGE.keys() | {"methods", "schedule", "learning_rate"} == names(Stage)
    other = {"stages", "trials", "baseline", "options", "choice", "ensemble", "scoring"}
    other |= {"answers", "endpoint"}  # rows without the backbone
    other |= {"system", "thinking"}  # of chats alone
    assert OF_APPROACH.keys() | other == names(Approach)
    elsewhere = {
        "name",
        "backbone",
        "backbones",
        "tasks",
        "approaches",
        "schedule",
        "seeds",
        "search_seeds",
    }
    elsewhere |= {"approaches_on", "architecture", "devices", "workers", "keep_trained", "held_out"}
    elsewhere |= {"stage_tasks"}  # a stage that trains on one has its checksum
    elsewhere |= {"backbones"}  # a run has the checksum of its own
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


def chats(config: dict[str, Any], template: str | None = "template") -> dict[str, list[Run]]:
    """The runs of each row with a tokenizer of this chat template."""
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    known = None if template is None else ChatPlan(template, {"films": ({}, ALONE)})
    found = cells(experiment, tasks, "backbone", {"films": (WITH_END,)}, chat=known)
    return {f"{cell.approach.name}, {cell.task.name}": cell.search() for cell in found}


def test_a_chat_depends_on_its_template_and_a_plain_prompt_does_not(config: dict):
    plain = chats(config, None)
    assert {row: runs[0].id for row, runs in plain.items()} == {
        row: runs[0].id for row, runs in chats(config).items()
    }
    config = with_row(config, chat=True, system="You are a critic.", thinking=True)
    runs = [chats(config, template)["LoRA, films"][0] for template in ("one", "two")]
    assert runs[0].id != runs[1].id and stage_id(runs[0], 0) != stage_id(runs[1], 0)
    others = [with_row(config, system="Be brief."), with_row(config, thinking=False)]
    ids = [chats(other, "one")["LoRA, films"][0].id for other in others]
    assert len({*ids, runs[0].id}) == 3
    assert run_configuration(runs[0])["approach"]["chat"] is True


def test_all_rows_of_an_experiment_or_of_a_task_may_be_chats(config: dict):
    films = config.pop("task")
    config["tasks"] = (films, films | {"name": "shows"})
    config = with_row(config, "few-shot", chat=False)
    config["prompt"] = {"chat": "auto", "system": "You are a critic."}
    found = chats(config | {"prompts": {"shows": {"system": "Be brief."}}})
    settings = {row: runs[0].approach.layout for row, runs in found.items()}
    assert settings["zero-shot, films"] == LayoutSettings(True, "You are a critic.")
    assert settings["LoRA, shows"] == LayoutSettings(True, "Be brief.")
    assert settings["few-shot, films"] == settings["few-shot, shows"] == LayoutSettings()
    assert settings["majority class, films"] == LayoutSettings()
    without = chats(config, None)
    plain = chats({name: value for name, value in config.items() if name != "prompt"}, None)
    assert {row: runs[0].id for row, runs in without.items()} == {
        row: runs[0].id for row, runs in plain.items()
    }


def test_chat_or_plain_may_be_a_trial(config: dict):
    trials = [{"chat": False, "instruction": "Good or bad?"}, {"chat": True}]
    config = with_row(config, "zero-shot", trials=trials, system="Be brief.", scoring="dev")
    runs = [run for run in chats(config)["zero-shot, films"] if run.seed == 0]
    assert [(run.approach.layout.chat, run.approach.target_end) for run in runs] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert runs[0].approach.layout == LayoutSettings(instruction="Good or bad?")
    assert runs[1].approach.layout == LayoutSettings(True, "Be brief.")
    assert "system" not in runs[0].settings["approach"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": {"template": 1}}, "config.prompt is 'template': allowed are chat, "),
        ({"prompt": {"chat": "yes"}}, "config.prompt.chat is 'yes'"),
        ({"prompt": 3}, "config.prompt is 3"),
        ({"prompts": {"gone": {}}}, "config.prompts is 'gone'"),
        ({"prompts": {"films": {"system": 3}}}, "config.prompts.films.system is 3"),
        ({"prompts": []}, r"config.prompts is \[\]"),
    ],
)
def test_prompts_of_all_rows_that_are_none(config: dict, change, message):
    with pytest.raises(InputError, match=message):
        Experiment.parse(config | change)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"system": "Be brief."}, r"approaches\[0\].system is 'Be brief.': only a chat has it"),
        ({"thinking": True}, r"approaches\[0\].thinking is True: only a chat has it"),
        ({"chat": True, "system": " Be brief. "}, "without white space around it"),
        ({"trials": [{"chat": "auto"}]}, "a trial is True or False"),
    ],
)
def test_rows_that_are_no_chats(config: dict, row, message):
    with pytest.raises(InputError, match=message):
        Experiment.parse(with_row(config, "zero-shot", **row))


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
