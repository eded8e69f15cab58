"""Which prompts a search tries."""

import pytest

from research.common.errors import InputError
from research.experiments.approach import Approach
from research.experiments.parse_approach import parse_approach
from research.experiments.presets import prompt_search
from research.experiments.prompt_search import PromptSearch
from research.experiments.trials import trials_on
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.training.optimizer import Schedule

EXAMPLES = tuple(Example({"text": label}, label) for label in "ab")
TEMPLATES = tuple(Template(f"{{text}} {i}") for i in range(4))
TASK = Task("t", ("a", "b"), TEMPLATES, Verbalizer({"a": "x", "b": "y"}), EXAMPLES, EXAMPLES)


def row(**values) -> Approach:
    return parse_approach(prompt_search("row", **values), Schedule(), "row")


def test_trials_are_distinct_begin_with_the_first_and_spread_over_templates():
    for seed in range(5):
        trials = PromptSearch(10, seed).trials(4, drawn=True)
        assert trials == PromptSearch(10, seed).trials(4, drawn=True)
        assert trials[0] == {"template": 0, "draw": 0}
        assert [trial["draw"] for trial in trials] == list(range(10))
        templates = [trial["template"] for trial in trials]
        assert sorted(templates[:4]) == sorted(templates[4:8]) == [0, 1, 2, 3]
        assert trials[:6] == PromptSearch(6, seed).trials(4, drawn=True)
    orders = {str(PromptSearch(8, seed).trials(4, drawn=True)) for seed in range(5)}
    assert len(orders) > 1


def test_without_drawn_demonstrations_templates_are_the_prompts():
    assert sorted(t["template"] for t in trials_on(row(prompts=4), TASK)) == [0, 1, 2, 3]
    nearest = row(prompts=4, demonstrations=2, choice="nearest")
    assert all(trial.keys() == {"template"} for trial in trials_on(nearest, TASK))
    assert len(trials_on(row(prompts=9, demonstrations=2, choice="random"), TASK)) == 9
    with pytest.raises(InputError, match="trials.prompts is 5: .* there are 4"):
        trials_on(row(prompts=5), TASK)


def test_every_field_of_the_prompt_may_be_tried():
    trial = {"prior": "content_free", "normalisation": "bytes", "choice": "random"}
    trial |= {"demonstrations": 3, "ensemble": 2}
    made = parse_approach({"name": "row", "trials": [{}, trial]}, Schedule(), "row")
    tried = made.at(trial)
    assert {name: getattr(tried, name) for name in trial} == trial


def test_an_ensemble_has_other_templates_and_draws():
    made = row(prompts=1, demonstrations=1, ensemble=6).at({"template": 2, "draw": 998})
    members = made.members(4)
    assert [one.template for one in members] == [2, 3, 0, 1, 2, 3]
    assert [one.draw for one in members] == [998, 999, 0, 1, 2, 3]
    assert {one.ensemble for one in members} == {1}
    plain = Approach("row", template=3, ensemble=4).members(4)
    assert [(one.template, one.draw) for one in plain] == [(3, 0), (0, 0), (1, 0), (2, 0)]
    assert Approach("row", template=3).members(4) == (Approach("row", template=3),)
    with pytest.raises(InputError, match="ensemble is 5: .* there are 4"):
        Approach("row", ensemble=5).members(4)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trials": {"prompts": 0}}, "row.trials.prompts is 0: a whole number from 1"),
        ({"trials": {"prompts": 1001}}, "row.trials.prompts is 1001: a whole number from 1"),
        ({"trials": {"prompts": 2, "seed": -1}}, "row.trials.seed is -1: a whole number from 0"),
        ({"trials": {"prompt": 2}}, "row.trials is 'prompt': not a field here; did you mean"),
        ({"trials": {}}, "row.trials.prompts is None: the field is required"),
        ({"trials": "prompts"}, "row.trials is 'prompts': expected is a sequence or 'templates'"),
        ({"choice": "near"}, "row.choice is 'near': allowed are 'balanced', 'random', 'nearest'"),
        ({"choice": "nearest"}, "row.choice is 'nearest': there are no demonstrations"),
        (
            {"trials": [{"demonstrations": 2, "choice": "random"}, {"choice": "nearest"}]},
            "row.choice is 'nearest': there are no demonstrations",
        ),
        ({"prior": "blank"}, "row.prior is 'blank': allowed are 'none', 'content_free', 'domain'"),
        ({"normalisation": "words"}, "row.normalisation is 'words': allowed are 'sum', 'tokens'"),
        ({"ensemble": 0}, "row.ensemble is 0: a whole number from 1"),
        (
            {"ensemble": 2, "stages": [{"method": {"name": "full"}}]},
            "row.ensemble is 2: an ensemble consists of prompts, without stages",
        ),
        ({"trials": [{"prior": 3}]}, "row.trials.prior is 3: allowed are 'none'"),
        ({"answer_by": "words"}, "row.answer_by is 'words': allowed are 'scores', 'text'"),
        ({"samples": 0}, "row.samples is 0: a whole number from 1"),
        ({"samples": 1001}, "row.samples is 1001: a whole number from 1 to 1000"),
        ({"max_new_tokens": 0}, "row.max_new_tokens is 0: a whole number from 1"),
        ({"temperature": 0.0}, "row.temperature is 0.0: a number above 0"),
        ({"temperature": float("nan")}, "row.temperature is nan: a number above 0"),
        ({"rationale": True}, "row.rationale is True: without demonstrations and training"),
        ({"trials": [{"rationale": True}]}, "row.rationale is True: without demonstrations"),
    ],
)
def test_mistakes_are_named(values, sentence):
    with pytest.raises(InputError) as error:
        parse_approach({"name": "row"} | values, Schedule(), "row")
    assert str(error.value).startswith(sentence)
