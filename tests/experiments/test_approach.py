import math
from typing import Any

import pytest

from research.common.config import non_default
from research.common.errors import InputError
from research.experiments.approach import BASELINE_ROWS, Approach
from research.experiments.parse_approach import parse_approach
from research.experiments.presets import few_shot, trained, zero_shot
from research.experiments.trials import trials_on
from research.methods.lora import LoRA
from research.methods.soft_prompt import SoftPrompt
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.training.optimizer import Schedule

COMMON = Schedule(steps=7, batch_size=2)


def parse(**values: Any) -> Approach:
    return parse_approach({"name": "row"} | values, COMMON, "row")


def lora(**stage: Any) -> dict[str, Any]:
    return {"stages": [{"method": {"name": "lora"}} | stage]}


def test_a_stage_lays_its_schedule_over_the_common_one():
    approach = parse(
        stages=[
            {"method": {"name": "full"}, "schedule": {"steps": 3}, "learning_rate": 1},
            {"method": {"name": "soft_prompt", "length": 4}},
        ]
    )
    first, second = approach.stages
    assert (first.schedule.steps, first.schedule.batch_size) == (3, 2)
    assert second.schedule == COMMON and second.methods == (SoftPrompt(4),)
    assert isinstance(first.learning_rate, float)


def test_a_trial_sets_fields_of_the_row_its_last_stage_or_the_method():
    approach = parse(
        stages=[{"method": {"name": "full"}}, {"method": {"name": "lora"}}],
        trials=[{"learning_rate": 0.5, "rank": 2, "alpha": 4, "template": 1, "draw": 3}],
    )
    tried = approach.at(approach.trials[0])
    assert (tried.template, tried.draw) == (1, 3)
    assert tried.stages[0] == approach.stages[0]
    assert tried.stages[1].learning_rate == 0.5
    assert tried.stages[1].methods == (LoRA(rank=2, alpha=4.0),)
    assert tried.name == approach.name == "row"


def test_each_template_of_the_task_is_a_trial():
    examples = tuple(Example({"text": label}, label) for label in "ab")
    templates = tuple(Template(f"{{text}} {i}") for i in range(4))
    task = Task("t", ("a", "b"), templates, Verbalizer({"a": "x", "b": "y"}), examples, examples)
    assert trials_on(parse(trials="templates"), task) == tuple({"template": i} for i in range(4))
    assert trials_on(parse(trials=[{"template": 2}]), task) == ({"template": 2},)


def test_rows_that_configs_share():
    rows = (zero_shot(), few_shot(draws=3), trained("x", {"name": "full"}, (0.1, 0.2)))
    made = [parse_approach(row, COMMON, "row") for row in rows]
    assert made[0].trials == "templates" and not made[0].stages
    assert made[1].demonstrations == "fit" and len(made[1].trials) == 3
    assert [made[2].at(trial).stages[0].learning_rate for trial in made[2].trials] == [0.1, 0.2]


def test_plain_data_has_the_method_by_name_and_no_trials():
    approach = parse(**lora(), trials=[{"rank": 2}, {"rank": 4}])
    plain = approach.at({"rank": 2}).plain(non_default)
    method = {"name": "lora", "rank": 2}
    schedule = {"steps": 7, "batch_size": 2}
    assert plain == {"name": "row", "stages": [{"method": method, "schedule": schedule}]}
    assert approach.plain()["stages"][0]["weight_decay"] == 0.0


def test_baselines_have_their_own_trials():
    majority, words, *_ = BASELINE_ROWS
    assert majority.trials == ({},) and not majority.options
    assert [words.at(trial).options for trial in words.trials] == list(words.trials)
    with pytest.raises(InputError, match="options is 'D': .*allowed are C"):
        words.at({"D": 1.0})


def test_an_endpoint_is_plain_data_without_what_changes_no_answer():
    server = {"address": "http://host/v1", "model": "m"}
    approach = parse(
        endpoint={**server, "key": "A_KEY", "retries": 1}, trials=[{"system": "Hi.", "model": "n"}]
    )
    tried = approach.at(approach.trials[0])
    assert tried.plain(non_default) == {
        "name": "row",
        "system": "Hi.",
        "endpoint": {**server, "model": "n"},
        "stages": [],
    }
    assert tried.endpoint is not None and tried.endpoint.key == "A_KEY"
    assert "A_KEY" not in str(tried.plain()) and not tried.uses_backbone


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nam": 1}, "row is 'nam': not a field here; did you mean 'name'?"),
        ({"stages": {"method": 1}}, "row.stages is {'method': 1}: a sequence of stages"),
        ({"stages": [3]}, "row.stages[0] is 3: a mapping with the field 'method'"),
        ({"stages": [{}]}, "row.stages[0].method is {}: a mapping with the field 'name'"),
        (
            {"stages": [{"method": {"name": "loar"}}]},
            "row.stages[0].method.name is 'loar': did you",
        ),
        ({"stages": [{"method": {"name": "lora", "rang": 1}}]}, "row.stages[0].method is 'rang'"),
        (lora(learning_rat=1), "row.stages[0] is 'learning_rat': not a field here; did you mean"),
        (lora(learning_rate=None), "row.stages[0].learning_rate is None: a value of type float"),
        (lora(learning_rate=math.nan), "row.stages[0].learning_rate is nan: a number above 0"),
        (lora(learning_rate=-1), "row.stages[0].learning_rate is -1.0: a number above 0"),
        (lora(weight_decay=math.inf), "row.stages[0].weight_decay is inf: a number from 0"),
        (lora(schedule={"step": 3}), "row.stages[0].schedule is 'step': not a field here; did you"),
        (lora(schedule={"steps": "many"}), "row.stages[0].schedule.steps is 'many': a value of"),
        (lora(schedule={"steps": 0}), "row.stages[0].schedule.steps is 0: a whole number from 1"),
        (lora(schedule={"accumulate": 0}), "row.stages[0].schedule.accumulate is 0: a whole"),
        (lora(schedule={"batch_size": -4}), "row.stages[0].schedule.batch_size is -4: a whole"),
        (lora(schedule={"eval_every": 0}), "row.stages[0].schedule.eval_every is 0: a whole"),
        (lora(schedule={"patience": 0}), "row.stages[0].schedule.patience is 0: a whole"),
        (lora(schedule={"warmup": 1.5}), "row.stages[0].schedule.warmup is 1.5: a share"),
        (lora(schedule={"clip": 0.0}), "row.stages[0].schedule.clip is 0.0: a number above 0"),
        (lora(schedule={"decay": "cos"}), "row.stages[0].schedule.decay is 'cos': allowed are"),
        (lora(schedule=[1]), "row.stages[0].schedule is [1]: a mapping is expected"),
        ({"name": ""}, "row.name is '': a row needs a name"),
        ({"template": -1}, "row.template is -1: a whole number from 0"),
        ({"demonstrations": -1}, "row.demonstrations is -1: a whole number from 0, or 'fit'"),
        ({"demonstrations": "all"}, "row.demonstrations is 'all': expected is int or 'fit'"),
        ({"draw": 1000}, "row.draw is 1000: a whole number from 0 to 999"),
        ({"trials": []}, "row.trials is (): at least one trial"),
        ({"trials": [{"template": 0}, {}]}, "row.trials is {'template': 0}: each trial is allowed"),
        (
            {"trials": [{"learning_rate": 1}]},
            "row.trials is 'learning_rate': allowed are ans",
        ),
        ({"trials": [{"template": "one"}]}, "row.trials.template is 'one': a value of type int"),
        ({"trials": [{"template": None}]}, "row.trials[0]['template'] is None: expected is int"),
        ({"trials": [{"template": 1.5}]}, "row.trials.template is 1.5: a value of type int"),
        (lora() | {"trials": [{"rnak": 1}]}, "row.trials is 'rnak': did you mean 'rank'?"),
        (
            lora() | {"trials": [{"learning_rate": math.nan}]},
            "row.trials.learning_rate is nan: a number above 0",
        ),
        ({"baseline": "majority"}, "row.baseline is 'majority': did you mean 'majority class'?"),
        (
            {"baseline": "majority class", "demonstrations": 2},
            "row.baseline is 'majority class': it has no stages and no demonstrations",
        ),
        (
            {"baseline": "majority class", "options": {"C": 1}},
            "row.options is 'C': allowed are none",
        ),
    ],
)
def test_mistakes_are_named(values: dict, sentence: str):
    with pytest.raises(InputError) as error:
        parse(**values)
    assert str(error.value).startswith(sentence)
