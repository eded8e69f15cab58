"""Labels found in generated texts."""

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.answer_kinds.generated_labels import (
    GeneratedLabelAnswerer,
    GeneratedLabelKind,
)
from research.evaluation.answer_kinds.label_parser import LabelParser
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.batch import EncodedPrompts
from research.tasks.answering import Answering
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from tests import films
from tests.evaluation.fixed_texts import FixedTexts
from tests.tiny import FRAME

TEXTS = {"0": ("bad", "not good"), "1": "good"}
EXAMPLES = tuple(Example({"text": f"film {i}"}, str(i % 2)) for i in range(4))


def task(**changes) -> Task:
    fields = dict(templates=(Template("{text}:"),), verbalizer=Verbalizer(TEXTS))
    return Task("films", ("0", "1"), train=EXAMPLES, test=EXAMPLES, **{**fields, **changes})


def kind(**fields) -> GeneratedLabelKind:
    made = answer_kind(task(), Answering(answer_by="text", **fields))
    assert isinstance(made, GeneratedLabelKind) and made.name == "label"
    return made


@pytest.mark.parametrize(
    "text, label",
    [
        ("good", 1),
        ("GOOD.", 1),
        ("It is a good film", 1),
        ("not good", 0),  # the longest text
        ("good? no, bad", 0),  # the last one
        ("badly goods", None),  # no whole word
        ("fine", None),
        ("", None),
    ],
)
def test_the_label_that_a_text_names(text: str, label: int | None):
    assert kind().parser.parse(text) == label


def test_labels_in_any_script_and_case():
    parser = LabelParser((("\u597d",), ("\u574f\u7684",), ("+",), ("a",), ("A",)))
    assert parser.parse("\u8fd9\u90e8\u7535\u5f71\u5f88\u597d\u3002") == 0
    assert parser.parse("\u5f88\u574f\u7684\u7535\u5f71") == 1 and parser.parse("so +1") == 2
    # Two classes have the same text but for its case.
    assert (parser.parse("an A"), parser.parse("an a")) == (4, 3)
    assert LabelParser((("Yes",), ("No",))).parse("YES") == 0


def test_rows_are_those_of_the_labels_texts():
    tokenizer = films.tokenizer()
    by_text, by_scores = kind(), answer_kind(task())
    encoder = by_text.encoder(tokenizer, 0, room=64)
    rows = encoder.training(by_text.examples(EXAMPLES))
    scored = by_scores.encoder(tokenizer, 0, room=64).training(EXAMPLES)
    for name in ("tokens", "length", "prompt_length", "label"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(scored, name))
    assert encoder.reserved() == 32 and rows.references == (("bad",), ("good",)) * 2
    assert kind(max_new_tokens=9).encoder(tokenizer, 0, room=64).reserved() == 9


def answered(texts, **fields):
    made, tokenizer = kind(**fields), films.tokenizer()
    encoder = made.encoder(tokenizer, 0, room=64)
    rows, answerer = encoder.examples(made.examples(EXAMPLES)), made.answerer(encoder)
    assert isinstance(answerer, GeneratedLabelAnswerer)
    predictor = FixedTexts(texts)
    answers = answerer.answers(predictor, None, EncodedPrompts(rows, FRAME), "sum")
    return made, answers


def test_the_label_that_most_samples_name():
    texts = {
        0: [" good\n", " bad\n", " bad\n", " good\n"],
        1: [" bad\n", " fine\n", " fine\n", ""],
        2: [" bad\n", " so good\n", " fine\n", " good\n"],
    }
    made, answers = answered(texts, samples=3)
    # The first of two labels named as often; a row whose text has no finite score has no label.
    assert answers.predicted.tolist() == [0, 0, 0, -1]
    np.testing.assert_allclose(answers.scores[:3], np.array([[2, 1], [1, 1], [1, 0]]) / 3)
    assert (answers.not_finite, answers.loss) == (1, 0.5)
    assert answers.metrics["accuracy"] == 0.5 and answers.generated[1] == ("bad", "fine", "so good")
    fields = made.prediction_fields(EXAMPLES, answers)
    assert fields["gold"].tolist() == [0, 1, 0, 1] and fields["labels"] == ("0", "1")
    assert made.ensemble([answers], EXAMPLES) is answers  # pyright: ignore


def test_rationales_of_labels_are_refused():
    with pytest.raises(InputError, match="rationale is True: task films has labels"):
        kind(rationale=True)
