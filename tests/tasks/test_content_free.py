import pytest

from research.common.errors import InputError
from research.tasks.prompts.content_free import content_free_prompts
from research.tasks.prompts.template import Template

REVIEW = Template("Tell the mood.\n\nReview: {text}\nMood:")
PAIR = Template("{premise} So {hypothesis}? Answer:")


def test_content_free_inputs_stand_in_every_column():
    assert content_free_prompts(REVIEW, "content_free") == (
        "Tell the mood.\n\nReview: N/A\nMood:",
        "Tell the mood.\n\nReview: [MASK]\nMood:",
        "Tell the mood.\n\nReview: \nMood:",
    )
    assert content_free_prompts(PAIR, "content_free")[0] == "N/A So N/A? Answer:"
    assert content_free_prompts(REVIEW, "none") == ()
    assert content_free_prompts(REVIEW, "empty") == ("",)


def test_a_domain_premise_is_what_follows_the_last_column():
    assert content_free_prompts(REVIEW, "domain") == ("\nMood:",)
    assert content_free_prompts(PAIR, "domain") == ("? Answer:",)
    assert content_free_prompts(Template("{text} {{so}} it is"), "domain") == (" {so} it is",)


@pytest.mark.parametrize(
    ("text", "prior"), [("{text}", "content_free"), ("{text}", "domain"), ("It: {text}", "domain")]
)
def test_where_nothing_is_left_there_is_no_prior(text, prior):
    with pytest.raises(InputError, match="nothing is left of the template"):
        content_free_prompts(Template(text), prior)
