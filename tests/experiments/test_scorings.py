"""Which ways to score labels dev chooses from."""

from dataclasses import replace

import pytest

from research.experiments.approach import Approach
from research.experiments.cells import ChatPlan
from research.experiments.parse_approach import parse_approach
from research.experiments.scorings import ALONE, PER_TOKEN, WITH_END, chat_plan, scorings
from research.experiments.trials import trials_on
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.training.optimizer import Schedule
from tests.tasks.encoders import byte_level

EXAMPLES = tuple(Example({"text": label}, label) for label in "ab")
TOKENIZER = byte_level(
    bos_token="<s>", eos_token="</s>", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
)


def task(first: str, second: str, end: str = "\n") -> Task:
    verbalizer = Verbalizer({"a": first, "b": second}, end)
    templates = (Template("{text} 0"), Template("{text} 1"))
    return Task("t", ("a", "b"), templates, verbalizer, EXAMPLES, EXAMPLES)


def tokens(text: str) -> int:
    return len(TOKENIZER(f" {text}", add_special_tokens=False)["input_ids"])


def test_the_end_is_tried_and_length_counts_where_labels_differ_in_tokens():
    assert tokens("up") == tokens("no") != tokens("nothing")
    assert scorings(task("up", "no"), TOKENIZER, "causal") == (WITH_END, ALONE)
    different = task("up", "nothing")
    assert scorings(different, TOKENIZER, "causal") == (WITH_END, ALONE, PER_TOKEN)
    assert scorings(different, TOKENIZER, "seq2seq") == (WITH_END, ALONE, PER_TOKEN)
    by_length = ({"normalisation": "sum"}, {"normalisation": "tokens"})
    assert scorings(different, TOKENIZER, "masked") == by_length
    assert scorings(task("up", "no"), TOKENIZER, "masked") == ()
    assert scorings(different, TOKENIZER, "head") == ()


def test_what_changes_no_score_or_leaves_labels_alike_is_not_tried():
    assert scorings(task("up", "nothing", end=""), TOKENIZER, "causal") == ()
    # Without its end " no" begins " no way", whose score could only be lower.
    assert scorings(task("no", "no way"), TOKENIZER, "causal") == ()


def test_chats_are_tried_with_their_own_ends_and_texts():
    tokenizer = byte_level(eos_token="</s>")
    assert chat_plan({"t": task("up", "no")}, tokenizer, "causal") is None
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role + ':\n' + m.content + '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}"
    )
    # Its own end keeps " no" apart from " no way", though the verbalizer has none.
    chat = chat_plan({"t": task("no", "no way", end="")}, tokenizer, "causal")
    assert chat == ChatPlan(tokenizer.chat_template, {"t": ()})
    chat = chat_plan({"t": task("up", "nothing", end="")}, tokenizer, "causal")
    assert chat is not None and chat.scorings == {"t": (WITH_END, ALONE, PER_TOKEN)}
    for route in ("seq2seq", "masked"):
        assert chat_plan({"t": task("up", "no")}, tokenizer, route) is None


def row(**values) -> Approach:
    return parse_approach({"name": "row", **values}, Schedule(), "row")


@pytest.mark.parametrize(
    "values, count",
    [
        ({"trials": "templates"}, 4),
        ({"trials": [{"draw": 0}, {"draw": 1}, {"draw": 2}], "demonstrations": 1}, 6),
        ({"trials": {"prompts": 2}}, 4),
        ({"prior": "domain"}, 2),
        ({"trials": [{"template": 0, "target_end": False}, {"template": 1}]}, 3),
        ({"trials": "templates", "scoring": "fixed"}, 2),
        ({"trials": "templates", "normalisation": "bytes"}, 2),
        ({"trials": "templates", "target_end": False}, 2),
        ({"trials": "templates", "stages": [{"method": {"name": "full"}}]}, 2),
    ],
)
def test_every_trial_of_a_row_without_training_is_run_with_each(values: dict, count: int):
    ways = scorings(task("up", "no"), TOKENIZER, "causal")
    approach = row(**values)
    trials = trials_on(approach, task("up", "no"), ways)
    assert len(trials) == count == len({str(approach.at(trial)) for trial in trials})


def test_scoring_is_no_part_of_the_settings_of_a_run():
    from research.common.config import non_default

    fixed, chosen = row(scoring="fixed"), row()
    assert fixed.plain(non_default) == chosen.at(WITH_END).plain(non_default)
    assert chosen.at(ALONE).plain(non_default)["target_end"] is False
    assert replace(fixed, scoring="dev") == fixed
