"""Token ids of items with their own choices."""

from dataclasses import replace

import numpy as np
import pytest

from research.common.errors import InputError
from research.tasks.choice_task import choice_example
from research.tasks.encoding.choice_encoder import ChoiceEncoder
from research.tasks.encoding.demonstration_texts import demonstration_texts
from research.tasks.encoding.shared_prefix import share_prefix
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from tests import films

EXAMPLES = (
    choice_example({"text": "a film"}, ["great", "a great film", "awful"], 1),
    choice_example({"text": "another"}, ["dull", "gr\u00fcn"], 0),
)


def encoder(**changes) -> ChoiceEncoder:
    fields = dict(template=Template("{text}\nVerdict:"), verbalizer=FreeText(end=""), room=64)
    return ChoiceEncoder(films.tokenizer(), labels=(), **{**fields, **changes})


def test_a_row_has_the_targets_of_its_own_choices():
    rows, made = encoder().examples(EXAMPLES), encoder()
    assert rows.choices is not None and rows.label.tolist() == [1, 0]
    (tokens, length), size, characters = rows.choices
    assert tokens.shape[:2] == length.shape == (2, 3) and length[1, 2] == 0
    for row, example in enumerate(EXAMPLES):
        for choice, text in enumerate(example.choices):
            assert tokens[row, choice, : length[row, choice]].tolist() == made.ids(f" {text}")
        target = rows.tokens[row, rows.prompt_length[row] : rows.length[row]]
        assert target.tolist() == made.ids(f" {example.label}")
    assert characters.tolist() == [[5, 12, 5], [4, 4, 0]] and size[1].tolist() == [4, 5, 0]
    assert rows.head(1).choices is not None and len(rows.head(1).choices.size) == 1


def test_a_target_has_the_end_if_the_prompt_says_so():
    for end, target_end in (("\n", True), ("\n", False), ("", True)):
        rows = encoder(verbalizer=FreeText(end=end), target_end=target_end).examples(EXAMPLES)
        made = encoder()
        written = rows.tokens[0, rows.prompt_length[0] : rows.length[0]].tolist()
        assert written == made.ids(" a great film" + (end if target_end else ""))
    other = encoder(verbalizer=FreeText(end="", start="\n"))
    rows = other.examples(EXAMPLES)
    written = rows.tokens[0, rows.prompt_length[0] : rows.length[0]].tolist()
    assert written == other.ids("\na great film")


def test_demonstrations_are_prompts_with_their_right_choices():
    made = encoder(separator="\n\n")
    texts = demonstration_texts(made, "balanced", (EXAMPLES[:1], EXAMPLES[1:]), seed=0, most=1)
    assert texts.before[1] == ["a film\nVerdict: a great film\n\n"]
    rows = made.examples(EXAMPLES[1:], texts.before[1])
    prefix, [rest] = share_prefix([rows], (), texts.shared, 1)
    assert len(prefix) > 0 and rest.choices is rows.choices


def test_a_fixed_prompt_goes_before_the_choices_of_each_row():
    made = encoder()
    rows = made.examples(EXAMPLES)
    neutral = made.neutral("\nVerdict:", (), rows)
    assert neutral.choices is rows.choices and neutral.prompt_length.tolist() == [3, 3]
    np.testing.assert_array_equal(neutral.tokens[0], neutral.tokens[1])
    own = made.neutral("\nVerdict:", ("a ", "the "), rows)
    assert (own.tokens[0] != own.tokens[1]).any()


def test_prompts_leave_room_for_the_longest_choice():
    short = made_rows = encoder(room=16)
    with pytest.raises(InputError, match="too_long is 'error': 1 of 1 prompts are longer"):
        short.examples([replace(EXAMPLES[0], fields={"text": "film " * 9})])
    cut = replace(made_rows, too_long="cut")
    rows = cut.examples([replace(EXAMPLES[0], fields={"text": "film " * 9})])
    assert rows.cut == 1 and rows.choices is not None
    assert int(rows.prompt_length[0] + rows.choices.targets.length.max()) <= 16


def test_a_choice_that_no_row_holds_is_refused():
    long = choice_example({"text": "a film"}, ["great", "awful " * 20_000], 0)
    with pytest.raises(
        InputError, match=r"choice is 'awful aw.{150,250}: it takes \d+ tokens, and"
    ):
        encoder(too_long="cut").examples([EXAMPLES[0], long])


def test_a_masked_language_model_scores_no_choices():
    with pytest.raises(InputError, match="route is 'masked': a masked language model would fill"):
        encoder(route="masked")
