import pytest

from research.common.errors import InputError
from research.tasks.prompts.verbalizer import Verbalizer


def test_a_target_is_space_text_and_end():
    assert Verbalizer({"0": "negative"}).target("0") == " negative\n"
    assert Verbalizer({"0": "very bad"}, end="</s>").target("0") == " very bad</s>"


def test_a_label_may_have_several_texts_and_the_first_is_its_target():
    verbalizer = Verbalizer({"0": "bad", "1": ("good", "very good")})
    assert (verbalizer.all("0"), verbalizer.all("1")) == (("bad",), ("good", "very good"))
    assert verbalizer.target("1") == " good\n" and verbalizer.target("1", 1) == " very good\n"
    assert verbalizer.continuation("1", 1) == " very good"


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"0": ("bad", "bad")}, "label '0' has this text"),
        ({"0": ("bad", "poor"), "1": ("good", "poor")}, "label '0' has this text"),
        ({"0": ()}, "not empty"),
        ({"0": ("bad", "")}, "not empty"),
        ({"0": ("bad", 1)}, "are strings"),
        ({"0": ("bad", "poor ")}, "no white space around"),
        ({"0": "bad", "1": "bad"}, "label '0' has this text"),
        ({"0": ""}, "not empty"),
        ({"0": " "}, "not empty"),
        ({"0": " bad"}, "no white space around"),
        ({"0": "bad\nworse"}, "may not contain the end"),
        ({0: "bad"}, "are strings"),
    ],
)
def test_bad_texts_are_refused(texts: dict, reason: str):
    with pytest.raises(InputError, match=reason):
        Verbalizer(texts)


def test_a_label_without_a_text_is_named_with_the_nearest():
    verbalizer = Verbalizer({"entailment": "yes", "contradiction": "no"})
    with pytest.raises(InputError, match="did you mean 'entailment'"):
        verbalizer.target("entailmnt")
