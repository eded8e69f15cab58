"""Texts in their CSV file: what is written is read again, and a changed file is refused."""

from dataclasses import replace

import numpy as np
import pytest

from research.common.errors import InputError
from research.records.predictions.texts import TextPredictions, parse_texts

FOUND = TextPredictions(
    ('one, "two"\nthree\r four', "", " é中"),
    (("a", "b, c"), ('"q"\n',), ("é",)),
    {"exact_match": np.array([0.0, 1.0, 1 / 3]), "format": np.array([1.0, 0.0, 1.0])},
)


def test_a_file_holds_all_that_it_was_made_of():
    back = parse_texts(FOUND.to_csv(), "file")
    assert (back.outputs, back.references) == (FOUND.outputs, FOUND.references)
    assert list(back.items) == ["exact_match", "format"] == list(back.names)[:2]
    assert back.metrics() == FOUND.metrics() and back.to_csv() == FOUND.to_csv()
    np.testing.assert_array_equal(back.gold, FOUND.gold)
    assert len(set(back.gold)) == 3


@pytest.mark.parametrize("odd", ["a\rb", "\r", "a\0b", "\ufeff", "a\x85\u2028b", "'"])
def test_whatever_a_model_writes_can_be_read_again(odd: str):
    found = TextPredictions((odd,), ((odd,),), {"format": np.array([1.0])})
    back = parse_texts(found.to_csv(), "file")
    assert (back.outputs, back.references) == (found.outputs, found.references)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("references", "labels"),
        lambda text: text.splitlines()[0],
        lambda text: "",
        lambda text: text.replace("item,output,references,exact_match,format", "item,output"),
        lambda text: text.replace("\n1,", "\n7,"),
        lambda text: text.replace("0.3333333333333333", "a third"),
        lambda text: text.replace('[""é""]', "[]"),
        lambda text: text.replace('[""é""]', "é"),
        lambda text: text + "3,cut",
    ],
)
def test_a_file_that_is_no_such_file_is_named(change):
    changed = change(FOUND.to_csv().decode())
    assert changed != FOUND.to_csv().decode()
    with pytest.raises(InputError, match="^file is "):
        parse_texts(changed.encode(), "file")


WITH_TEXTS = TextPredictions(
    ("4", ""),
    (("4",), ("5", "five")),
    {"number": np.array([1.0, 0.0]), "answered": np.array([0.5, 0.0])},
    (("so\n#### 4", '"x"'), ("", "y")),
)


def test_the_texts_in_which_answers_were_found_are_stored():
    content = WITH_TEXTS.to_csv()
    assert content.startswith(b"item,output,references,generated,number,answered")
    back = parse_texts(content, "file")
    assert back.generated == WITH_TEXTS.generated and back.outputs == ("4", "")
    assert list(back.items) == ["number", "answered"] and back.to_csv() == content
    assert back.without_answer == 0.75 and FOUND.without_answer is None
    assert parse_texts(FOUND.to_csv(), "file").generated == ()


def test_many_long_texts_can_be_read_again():
    """More characters in a cell than the csv module reads by default."""
    many = TextPredictions(("4",), (("4",),), WITH_TEXTS.items, (("word " * 1000,) * 64,))
    many = replace(many, items={"number": np.array([1.0])})
    assert parse_texts(many.to_csv(), "file").generated == many.generated


@pytest.mark.parametrize("cell", ["5", "x", "{"])
def test_generated_texts_that_are_no_list_are_refused(cell: str):
    content = WITH_TEXTS.to_csv().decode().replace('"["""", ""y""]"', cell)
    assert content != WITH_TEXTS.to_csv().decode()
    with pytest.raises(InputError, match="^file is .* a row that is not a prediction"):
        parse_texts(content.encode(), "file")
