import importlib
from typing import Any

import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.experiments.trials import for_backbone


@pytest.mark.parametrize("name", ["quickstart", "compare"])
def test_every_method_of_a_config_has_the_same_budget(name: str):
    """Two regimes, six approaches, three trials by two seeds, five seeds for the chosen one."""
    config = importlib.import_module(f"configs.{name}").get_config()
    experiment = Experiment.parse(config.to_dict())
    assert len(experiment.regimes) == 2 and len(experiment.approaches) == 6
    assert (experiment.seeds, experiment.search_seeds) == (5, 2)
    rows = [for_backbone(row, 8_749_120) for row in experiment.approaches]
    assert [len(row.trials) for row in rows if isinstance(row.trials, tuple)] == [3] * 5
    assert rows[0].trials == "templates"
    for task in experiment.tasks:
        templates = task.load().templates if name == "quickstart" else task.templates
        assert len(templates) == 3
    assert {row.stages[0].methods[0].name for row in experiment.approaches if row.stages} == {
        "soft_prompt",
        "lora",
        "last_layers",
        "full",
    }
    assert [row.name for row in experiment.rows][6:] == [
        "majority class",
        "TF-IDF + logistic regression",
        "most common target",
        "target of the nearest input",
        "most frequent position",
        "longest choice",
        "TF-IDF of question and choice",
    ]


def test_one_task_has_a_short_form(config: dict[str, Any]):
    task = config.pop("task")
    whole = Experiment.parse(config | {"tasks": [task]})
    assert Experiment.parse(config | {"task": task}) == whole and len(whole.tasks) == 1
    with pytest.raises(InputError, match="config.task .*either task or tasks, not both"):
        Experiment.parse(config | {"task": task, "tasks": [task]})


def test_one_backbone_has_a_short_form(config: dict[str, Any]):
    name = config.pop("backbone")
    whole = Experiment.parse(config | {"backbones": [name]})
    assert Experiment.parse(config | {"backbone": name}) == whole and whole.backbones == ()
    assert whole.by_backbone == (whole,)
    several = Experiment.parse(config | {"backbones": ["a", name]})
    assert [part.backbone for part in several.by_backbone] == ["a", name]
    assert several == several.by_backbone[0]
    first = [part.is_first for part in several.by_backbone]
    assert first == [True, False] and whole.is_first
    with pytest.raises(
        InputError, match="config.backbone .*either backbone or backbones, not both"
    ):
        Experiment.parse(config | {"backbone": name, "backbones": [name]})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"backbones": []}, r"config.backbones is \(\): at least one is expected"),
        ({"backbones": "a"}, "config.backbones is 'a': a sequence is expected"),
        ({"backbones": ["a", "b", "a"]}, "config.backbones is 'a': each needs a name of its own"),
        ({"backbones": ["a", " "]}, "config.backbones is ' ': each needs a name of its own"),
        ({"backbones": ["a", 3]}, "config.backbones.* is 3: "),
        (
            {"backbones": ["a", "b"], "architecture": {"model_type": "llama"}},
            "config.architecture is .*: it describes one backbone, and there are 2",
        ),
    ],
)
def test_mistakes_about_backbones_are_named(config: dict[str, Any], change: dict, sentence: str):
    del config["backbone"]
    with pytest.raises(InputError, match=sentence):
        Experiment.parse(config | change)


def test_the_common_schedule_reaches_every_stage(config: dict[str, Any]):
    experiment = Experiment.parse(config)
    assert experiment.approaches[2].stages[0].schedule == experiment.schedule
    assert experiment.schedule.steps == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"aproaches": []}, "config is 'aproaches': not a field here; did you mean 'approaches'"),
        ({"approaches": None}, "config.approaches is None: a sequence is expected"),
        ({"approaches": [{"name": "a"}, {"name": "a"}]}, "config.approaches is 'a': each needs"),
        ({"approaches": [3]}, "config.approaches[0] is 3: a mapping with the fields of an"),
        ({"regimes": []}, "config.regimes is []: at least one is expected"),
        ({"regimes": [500, "500"]}, "config.regimes is '500': each needs a name"),
        ({"regimes": ["few"]}, "config.regime is 'few': allowed are '16-shot'"),
        ({"regimes": "16-shot"}, "config.regimes is '16-shot': a sequence is expected"),
        ({"task": {"source": "fiel"}}, "config.tasks[0].source is 'fiel': did you mean 'file'?"),
        ({"task": 3}, "config.tasks[0] is 3: a mapping with the field 'source' is expected"),
        ({"seeds": 0}, "config.seeds is 0: a whole number from 1 is expected"),
        ({"seeds": "five"}, "config.seeds is 'five': a value of type int is expected"),
        ({"search_seeds": 4}, "config.search_seeds is 4: 1 to seeds=3 are allowed"),
        ({"search_seeds": 0}, "config.search_seeds is 0: 1 to seeds=3 are allowed"),
        ({"max_dev": 0}, "config.max_dev is 0: a whole number from 1 is expected"),
        ({"workers": 0}, "config.workers is 0: a whole number from 1 is expected"),
        ({"too_long": "drop"}, "config.too_long is 'drop': allowed are 'error', 'cut'"),
        ({"precision": "int8"}, "config.precision is 'int8': allowed are 'float32', 'bfloat16'"),
        ({"devices": {"mod": 1}}, "config.devices is 'mod': not a field here; did you mean 'mode'"),
        ({"schedule": {"stepz": 1}}, "config.schedule is 'stepz': not a field here; did you mean"),
        ({"schedule": {"clip": -1.0}}, "config.schedule.clip is -1.0: a number above 0"),
        ({"schedule": None}, "config.schedule is None: a mapping with the fields of Schedule"),
        ({"name": "a/b"}, "config.name is 'a/b': the name of a folder is expected"),
        ({"name": ""}, "config.name is '': the name of a folder is expected"),
        ({"name": "a\0"}, "config.name is 'a\\x00': the name of a folder is expected"),
        ({"seeds": 1001}, "config.seeds is 1001: a whole number from 1 to 1000 is expected"),
        ({"schedule": {"batch_size": 10**9}}, "config.schedule.batch_size is 1000000000: a whole"),
        ({"schedule": {"steps": 10**12}}, "config.schedule.steps is 1000000000000: a whole"),
        (
            {"task": {"source": "file", "name": " ", "train": "x", "test": "x"}},
            "config.tasks is ' ': each needs a name of its own",
        ),
        ({"regimes": ["9" * 5000]}, "config.regime is '999"),
        ({"approaches": [{"name": " "}]}, "config.approaches[0].name is ' ': a row needs a name"),
        (
            {"approaches": [{"name": "a", "options": {"b": 1}}]},
            "config.approaches[0].options is {'b': 1.0}: only a baseline has options",
        ),
        (
            {"approaches": [{"name": "a", "demonstrations": 10**30}]},
            "config.approaches[0].demonstrations is 1000000000000000000000000000000: a wh",
        ),
        ({"backbone": None}, "config.backbone is None: a value of type str is expected"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], change: dict, sentence: str):
    with pytest.raises(InputError) as error:
        Experiment.parse(config | change)
    assert str(error.value).startswith(sentence)


def test_a_missing_field_is_asked_for(config: dict[str, Any]):
    for name in ("name", "backbone", "regimes"):
        without = {key: value for key, value in config.items() if key != name}
        with pytest.raises(InputError, match=f"config.{name} is None: the field is required"):
            Experiment.parse(without)
