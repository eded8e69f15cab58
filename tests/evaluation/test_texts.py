"""Answers in writing: their loss by the plain formula, and where a generated text ends."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.answer_kinds.text_answerer import TextAnswerer
from research.evaluation.answer_kinds.texts import TextKind
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights
from research.tasks.answering import Answering
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText, Verbalizer
from research.tasks.task import Task
from research.tasks.text_task import TextTask
from tests import films
from tests.evaluation.fixed_texts import FixedTexts
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


def voting(seed: int = 0, **fields) -> TextAnswerer:
    pairs = [({"text": f"{i}"}, [f"= {i}"]) for i in range(3)]
    examples = grouped(pairs)
    task = TextTask(
        "t",
        (),
        (Template("{text}:"),),
        FreeText(),
        examples,
        examples,
        metric="number",
        answer="= (.*)",
    )
    return TextAnswerer(
        task, films.tokenizer(), (1,), "\n", answering=Answering(**fields), seed=seed
    )


def prompts_of(answerer: TextAnswerer) -> EncodedPrompts:
    references = tuple(example.references for example in answerer.task.train)
    return EncodedPrompts(replace(encoded(3), references=references), FRAME)


def test_the_answer_of_most_samples_counts():
    """Seed 2 has samples of its own; the third row's second sample has no finite score."""
    texts = {
        2000: [" = 0\n", " = 9\n", " = 2\n"],
        2001: [" = 7\n", " = 9\n", ""],
        2002: [" = 0.0\n", " none\n", " = 2\n"],
    }
    answerer, reports = voting(seed=2, samples=3), []
    predictor = FixedTexts(texts, report=lambda *counts: reports.append(counts))
    answers = answerer.answers(predictor, None, prompts_of(answerer), "sum")
    assert answers.texts.outputs == ("0", "9", "") and answers.loss == 0.5
    assert list(answers.texts.items["number"]) == [1, 0, 0] and answers.not_finite == 1
    assert list(answers.texts.items["answered"]) == pytest.approx([1, 2 / 3, 0])
    assert answers.texts.generated[0] == ("= 0", "= 7", "= 0.0")
    assert [seed for seed, _ in predictor.calls] == [2000, 2001, 2002]
    assert {(d.do_sample, d.temperature) for _, d in predictor.calls} == {(True, 0.7)}
    assert reports == sorted(reports) and reports[-1] == (3, 3)


def test_training_chooses_by_the_decoding_of_the_task():
    answerer = voting(seed=2, samples=3, max_new_tokens=9)
    predictor = FixedTexts({0: [" = 0\n"] * 3})
    answers = answerer.training_answers(predictor, None, prompts_of(answerer))
    assert answers.metrics["number"] == pytest.approx(1 / 3)
    assert predictor.calls == [(0, Decoding(max_new_tokens=9))]


def test_one_sample_without_a_temperature_is_not_sampled():
    answerer = voting(seed=0)
    predictor = FixedTexts({0: [" = 0\n"] * 3})
    answerer.answers(predictor, None, prompts_of(answerer), "sum")
    assert predictor.calls == [(0, Decoding())]


@pytest.mark.parametrize(
    "decoding, fields, expected",
    [
        ({}, {}, {}),
        ({}, {"max_new_tokens": 5}, {"max_new_tokens": 5}),
        ({}, {"samples": 4}, {"do_sample": True, "temperature": 0.7}),
        ({}, {"temperature": 0.2}, {"do_sample": True, "temperature": 0.2}),
        (
            {"do_sample": True, "top_k": 5, "temperature": 0.3},
            {"samples": 2},
            {"do_sample": True, "top_k": 5, "temperature": 0.3},
        ),
        (
            {"do_sample": True, "temperature": 0.3},
            {"samples": 2, "temperature": 0.9},
            {"do_sample": True, "temperature": 0.9},
        ),
    ],
)
def test_how_samples_are_drawn(decoding: dict, fields: dict, expected: dict):
    assert Answering(**fields).sampling(Decoding(**decoding)) == Decoding(**expected)


@pytest.mark.parametrize(
    "decoding, fields, message",
    [
        ({}, {"rationale": True}, "rationale is True: task t has no rationales"),
        ({"num_beams": 2}, {"samples": 2}, "num_beams is 2: with do_sample only 1 is supported"),
    ],
)
def test_ways_of_answering_that_a_task_does_not_have(decoding: dict, fields: dict, message: str):
    task = replace(voting().task, decoding=Decoding(**decoding))
    with pytest.raises(InputError, match=message):
        answer_kind(task, Answering(**fields))


@pytest.mark.parametrize(
    "fields", [{"rationale": True}, {"samples": 2}, {"temperature": 0.5}, {"max_new_tokens": 3}]
)
def test_labels_are_not_generated(fields: dict):
    examples = tuple(Example({"text": label}, label) for label in "ab")
    texts, templates = Verbalizer({"a": "a", "b": "b"}), (Template("{text}:"),)
    task = Task("kinds", ("a", "b"), templates, texts, examples, examples)
    with pytest.raises(InputError, match=f"^{next(iter(fields))} is .* task kinds asks for none"):
        answer_kind(task, Answering(**fields))
