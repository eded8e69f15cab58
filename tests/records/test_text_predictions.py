"""Texts in their CSV file: what is written is read again, and a changed file is refused."""

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
