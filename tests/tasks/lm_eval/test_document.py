"""Prompts, choices and answers of rows, with the values of lm-evaluation-harness's code."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.config import read_task_config
from research.tasks.lm_eval.document import DocumentReader, answer_index
from research.tasks.lm_eval.prompt import answered_prompt, prompt_text, with_delimiter
from research.tasks.lm_eval.template import Renderer

ROW = {
    "question": "Is it?",
    "label": 1,
    "key": "B",
    "choices": {"text": ["no", "yes"], "label": ["A", "B"]},
    "options": ["x", "y"],
    "answers": ["one", "two"],
}


@pytest.fixture(scope="module")
def renderer():
    with Renderer() as renderer:
        yield renderer


@pytest.fixture
def reader(renderer):
    def make(**values):
        config = read_task_config(
            {"task": "t", "doc_to_text": "Q: {{question}}\nA:", **values}, "t.yaml"
        )
        return DocumentReader(config, tuple(ROW), renderer)

    return make


@pytest.mark.parametrize(
    ("value", "choices"),
    [
        ("options", ("x", "y")),
        ("{{choices.text}}", ("no", "yes")),
        ("{{[key, 'it\\'s']}}", ("B", "it's")),
        (["no", "yes"], ("no", "yes")),
        ({"a": "no", "b": "yes"}, ("no", "yes")),
    ],
)
def test_choices_are_a_column_a_template_or_a_list(reader, value, choices):
    assert reader(doc_to_choice=value).choices(ROW) == choices


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("label", "a list of texts"),
        ("{{question}}", "no list of texts"),
        ([1, 2], "a list of texts"),
        ("{{choice}}", "'choice' is undefined"),
        (["a", "b" * 100_000], "at most 20,000 characters"),
    ],
)
def test_choices_that_are_no_texts_are_refused(reader, value, message):
    with pytest.raises(InputError, match=message):
        reader(doc_to_choice=value).choices(ROW)


@pytest.mark.parametrize(
    ("value", "choice", "target"),
    [
        ("label", ["no", "yes"], 1),
        ("{{label}}", ["no", "yes"], 1),
        ("{{label}}", None, "1"),
        ("{{choices.label.index(key)}}", "options", 1),
        (0, ["no", "yes"], 0),
        ("answers", None, ["one", "two"]),
        ("{{answers}}", None, ["one", "two"]),
        ("[{{question}}]", None, "[Is it?]"),
        ("{{key}}", ["A", "B"], "B"),
    ],
)
def test_targets_are_indices_texts_or_lists(reader, value, choice, target):
    assert reader(doc_to_target=value, doc_to_choice=choice).target(ROW) == target


def test_the_right_choice_has_an_index():
    assert answer_index(1, ("a", "b")) == answer_index("b", ("a", "b")) == 1
    assert answer_index([0], ("a", "b")) == 0
    for target, message in [
        (2, "an index from 0 to 1"),
        (-1, "an index from 0 to 1"),
        ("c", "none of the choices"),
        ([0, 1], "several answers"),
        (None, "an index from 0 to 1"),
    ]:
        with pytest.raises(InputError, match=message):
            answer_index(target, ("a", "b"))


def test_a_delimiter_stands_only_between_texts_without_white_space():
    assert with_delimiter("a", "b", " ") == "a b"
    assert with_delimiter("a\n", "b", " ") == "a\nb"
    assert with_delimiter("a", " b", "-") == "a b"
    assert with_delimiter("", "b", " ") == "b"
    assert with_delimiter("a", None, " ") == "a"


@pytest.mark.parametrize(
    ("options", "prompt", "demonstration"),
    [
        ({}, "Q: Is it?\nA:", "Q: Is it?\nA: yes\n\n"),
        (
            {"gen_prefix": "It is"},
            "Q: Is it?\nA: It is",
            "Q: Is it?\nA: It is yes\n\n",
        ),
        (
            {"gen_prefix": "\nThe {{key}}:\n"},
            "Q: Is it?\nA:\nThe B:\n",
            "Q: Is it?\nA:\nThe B:\nyes\n\n",
        ),
        (
            {"target_delimiter": "", "fewshot_delimiter": "\n"},
            "Q: Is it?\nA:",
            "Q: Is it?\nA:yes\n",
        ),
        (
            {"fewshot_config": {"doc_to_text": "{{question}}", "target_delimiter": "|"}},
            "Q: Is it?\nA:",
            "Is it?|yes\n\n",
        ),
    ],
)
def test_prompts_and_demonstrations(reader, options, prompt, demonstration):
    own = reader(doc_to_target="label", doc_to_choice="{{choices.text}}", **options)
    assert prompt_text(own, ROW) == prompt
    assert answered_prompt(own.of_demonstrations(), ROW) == demonstration


def test_a_demonstration_of_several_answers_has_the_first(reader):
    own = reader(doc_to_target="answers", description="Answer.\n")
    assert answered_prompt(own, ROW) == "Q: Is it?\nA: one\n\n"
    assert own.description(ROW) == "Answer.\n"


def test_prompts_by_choice_are_refused(reader):
    own = reader(doc_to_text="label", doc_to_choice="options", doc_to_target="key")
    with pytest.raises(InputError, match="each choice is a prompt of its own"):
        prompt_text(own, ROW)


def test_a_prompt_that_is_no_text_is_refused(reader):
    with pytest.raises(InputError, match="a text is expected as the prompt"):
        prompt_text(reader(doc_to_text="answers"), ROW)
