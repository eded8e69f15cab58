"""Messages of errors are of bounded length."""

import pickle
import time

import pytest

from research.common.errors import MOST_NAMES, InputError, check_choice, choose_from, name_list


def test_long_parts_are_cut_and_kept():
    error = InputError("text", "x" * 10**6, "y" * 10**6)
    assert len(str(error)) < 5000 and str(error).endswith("y....")
    assert len(error.allowed) == 10**6  # for what adds to it
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_thousands_of_names_are_counted():
    names = [f"label {i:05}" for i in range(5000)]
    text = choose_from(names, "label 00017x")
    assert text.startswith("did you mean 'label 00017'? allowed are label 00000, label 00001, ")
    assert text.endswith(" and 4,950 more") and text.count(",") == MOST_NAMES
    assert name_list(names[:2]) == "label 00000, label 00001" and name_list([]) == "none"


def test_a_very_long_name_is_answered_at_once():
    begun = time.process_time()
    choose_from([f"label {i}" for i in range(1000)], "label " * 10**6)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("value", ["relux", None, 3, ["relu"], {}])
def test_a_value_that_is_no_choice_is_refused(value):
    check_choice("activation", "relu", {"relu": 1, "silu": 2})
    with pytest.raises(InputError, match="activation is .*allowed are relu, silu"):
        check_choice("activation", value, {"relu": 1, "silu": 2})
