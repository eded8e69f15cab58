"""Answers in writing: their loss by the plain formula, and where a generated text ends."""

from typing import Any

import numpy as np
import pytest

from research.evaluation.answer_kinds.texts import TextKind
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights
from research.tasks.prompts.template import Template
from research.tasks.text_task import FreeText, TextTask, grouped
from tests import films
from tests.tiny import FRAME, all_logprobs, decoder, encoded, predictor


def test_the_loss_is_the_mean_over_all_target_tokens():
    """Of four rows in batches of three, each read whole by one plain pass of the same length."""
    (model, params), rows = decoder(), encoded(4)
    weights, prompts = AdaptedWeights((), params), EncodedPrompts(rows, FRAME)
    found = predictor(model).loss(weights, prompts, batch_size=3)
    opening = np.asarray(FRAME.prefix_ids[: int(FRAME.prefix_length)])
    before, losses = len(opening), []
    for tokens, start, length in zip(rows.tokens, rows.prompt_length, rows.length, strict=True):
        # What stands behind a token does not change what it is given.
        logprobs = all_logprobs(model, params, np.concatenate([opening, tokens]))
        for place in range(start, length):
            losses.append(-float(logprobs[before + place - 1, tokens[place]]))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


def writing(end: str, **options: Any) -> Any:
    shown = grouped([({"text": "a"}, ["b"])])
    task = TextTask("t", (), (Template("{text}:"),), FreeText(end=end), shown, shown)
    kind = TextKind(task)
    return kind.answerer(kind.encoder(films.tokenizer(), 0, room=99, **options))


def test_what_ends_a_text():
    eos = films.tokenizer().eos_token_id
    [line] = films.tokenizer().encode("\n", add_special_tokens=False)
    assert writing("\n").ends == (line, eos)
    assert writing("").ends == (eos,)
    # No token of an ending of several ends a text alone, unless it is special.
    assert writing(" END.").ends == (eos,)
    assert writing("!</s>").ends == (eos,)
    assert writing("!<s>").ends == (films.tokenizer().bos_token_id, eos)
    # Those of the model's generation_config.json.
    assert writing("\n", model_ends=(7, eos)).ends == (line, eos, 7)


@pytest.mark.parametrize(
    "end, written, read",
    [
        ("\n", " a great film\n", "a great film"),
        ("\n", " a great film</s>", "a great film"),
        ("\n", " cut in the mid", "cut in the mid"),
        ("\n", "\n", ""),
        (" END.", " one END. two", "one"),
        ("", " two\nlines</s>", "two\nlines"),
    ],
)
def test_what_is_read_of_it(end, written, read):
    one = writing(end)
    assert one._decoded(np.array(one.tokenizer.encode(written, add_special_tokens=False))) == read
