"""Baselines that write: a target of training again, the commonest or that of the nearest input."""

import pytest

from research.common.errors import InputError
from research.evaluation.baselines import most_common_target, target_of_nearest

TEXTS = ["name Aromi, food Chinese", "name Cocum, food Italian", "name Aromi, food Italian"]
TARGETS = ["Aromi is Chinese.", "one", "one"]


def test_the_most_common_target_and_the_first_of_equals():
    fitted = most_common_target(TEXTS, TARGETS)
    assert fitted.write(["a", "b"]) == ["one", "one"] and fitted.stored_bytes == 3
    assert most_common_target(["a", "b"], ["y", "x"]).write(["c"]) == ["y"]


def test_the_nearest_input_gives_its_target():
    fitted = target_of_nearest(TEXTS, TARGETS)
    assert fitted.write([TEXTS[0], "food Chinese", "nothing known"]) == [TARGETS[0]] * 3
    assert fitted.write(["Cocum food"]) == ["one"]
    assert fitted.stored_bytes == sum(map(len, (*TEXTS, *TARGETS)))


@pytest.mark.parametrize("fit", [most_common_target, target_of_nearest])
def test_texts_and_targets_come_in_pairs(fit):
    for texts, targets in (([], []), (["a"], []), (["a"], ["b", "c"])):
        with pytest.raises(InputError, match="one for each of the"):
            fit(texts, targets)
    with pytest.raises(InputError, match="at least one text must hold a word"):
        target_of_nearest([" "], ["x"])
