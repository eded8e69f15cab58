"""Answers among an item's own choices: their kind, baselines and stored predictions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.answer_kinds.choice_answerer import ChoiceAnswers
from research.evaluation.answer_kinds.choices import ChoiceKind
from research.evaluation.answer_kinds.kind import ExternalAnswer
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.baselines import BASELINES
from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.experiments.approach import Approach
from research.experiments.scorings import scorings
from research.records.predictions.choices import ChoicePredictions
from research.records.predictions.kinds import parse_answers, prediction_class
from research.tasks.answering import Answering
from research.tasks.choice_task import ChoiceTask, choice_example
from research.tasks.metrics.choice import CHOICE_METRICS
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from tests import films

TRAIN = tuple(
    choice_example({"text": f"film {i}"}, [f"a dull thing {i}", f"great film {i}"], int(i > 1))
    for i in range(8)
)
TEST = (
    choice_example({"text": "a film"}, ["so dull", "a great film"], 1),
    choice_example({"text": "another"}, ["great", "a long and dull film", "no"], 0),
    choice_example({"text": "the film"}, ["dull", "no"], 1),
)
TASK = ChoiceTask(
    name="films",
    labels=(),
    templates=(Template("{text}\nVerdict:"),),
    verbalizer=FreeText(end=""),
    train=TRAIN,
    test=TEST,
)
KIND = ChoiceKind(TASK)


class FixedScores(Predictor):
    """Scores that were set, in turn."""

    def __init__(self, *scores: list[list[float]]):
        object.__setattr__(self, "left", [np.array(each, np.float32) for each in scores])

    def scores(self, *args, **options) -> np.ndarray:
        return self.left.pop(0)  # pyright: ignore


# Log-likelihoods of the choices of TEST.
LOGPROBS = [[-4.0, -6.0, -np.inf], [-5.0, -8.0, -4.0], [-1.0, -9.0, -np.inf]]


def answers(*scores: list[list[float]], normalisation="sum", prior: bool = False) -> ChoiceAnswers:
    encoder = KIND.encoder(films.tokenizer(), 0, room=64)
    rows = encoder.examples(TEST)
    neutral = (encoder.neutral("\nVerdict:", (), rows),) if prior else ()
    frame = prompt_frame([3])
    prompts = EncodedPrompts(replace(rows, neutral=neutral), frame, frame)
    weights, answerer = AdaptedWeights((), {}), KIND.answerer(encoder)
    return answerer.answers(FixedScores(*scores), weights, prompts, normalisation)  # pyright: ignore


def test_metrics_are_those_of_lm_evaluation_harness():
    """Sums choose 0, 2, 0; sums per character choose 1, 1, 0."""
    found = answers(LOGPROBS)
    assert found.predicted.tolist() == [0, 2, 0]
    metrics = {name: found.metrics[name] for name in CHOICE_METRICS}
    assert metrics == pytest.approx(
        {"accuracy": 0, "acc": 0, "acc_norm": 1 / 3, "acc_bytes": 1 / 3}, abs=1e-6
    )
    per_character = answers(LOGPROBS, normalisation="characters")
    assert per_character.predicted.tolist() == [1, 1, 0]
    assert per_character.metrics["accuracy"] == pytest.approx(1 / 3)
    scores = np.array(LOGPROBS)
    expected = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(3), [1, 0, 1]]
    assert found.metrics["cross_entropy"] == pytest.approx(expected.mean(), abs=1e-5)
    rows = KIND.encoder(films.tokenizer(), 0, room=64).examples(TEST)
    tokens = (rows.length - rows.prompt_length).sum()
    assert found.loss == found.metrics["loss"] == pytest.approx(20 / tokens, rel=1e-5)


def test_a_prior_changes_the_answers_and_not_what_is_uncalibrated():
    prior = [[-1.0, -6.0, -np.inf], [-4.0, -9.0, -1.0], [0.0, -9.0, -np.inf]]
    found = answers(LOGPROBS, prior, prior=True)
    assert found.predicted.tolist() == [1, 1, 1]
    assert found.metrics["acc"] == 0 and found.scores[0, 2] == -np.inf


def test_a_row_with_a_score_that_is_no_number_has_no_answer():
    found = answers([[math.nan, -6.0, -np.inf], *LOGPROBS[1:]])
    assert found.predicted.tolist() == [-1, 2, 0] and found.not_finite == 1
    stored = ChoicePredictions(**KIND.prediction_fields(TEST, found))
    assert parse_answers(stored.to_csv(), (), "acc", "f").predicted.tolist() == [-1, 2, 0]


def test_an_ensemble_averages_the_probabilities_of_the_choices():
    rows = KIND.encoder(films.tokenizer(), 0, room=64).examples(TEST)
    one = answers(LOGPROBS)
    other = answers([[-9.0, -1.0, -np.inf], [-1.0, -9.0, -9.0], [-9.0, -1.0, -np.inf]])
    both = KIND.ensemble([one, other], rows)
    shares = [np.exp(np.array(m.scores, float)) for m in (one, other)]
    mean = np.mean([share / share.sum(axis=1, keepdims=True) for share in shares], axis=0)
    np.testing.assert_allclose(np.exp(both.scores), mean, atol=1e-5)
    assert both.loss == pytest.approx((one.loss + other.loss) / 2)


def test_stored_predictions_hold_index_text_and_scores():
    found = answers(LOGPROBS, normalisation="characters")
    stored = prediction_class("choice")(**KIND.prediction_fields(TEST, found))
    assert isinstance(stored, ChoicePredictions)
    content = stored.to_csv()
    assert content.decode().splitlines()[:2] == [
        "item,gold,predicted,choice,scores,acc,acc_norm,acc_bytes",
        '0,1,1,a great film,"[""-0.5714"", ""-0.5000""]",0,1,1',
    ]
    again = parse_answers(content, (), "accuracy", "file")
    assert again.to_csv() == content and isinstance(again, ChoicePredictions)
    assert again.metrics() == {
        name: pytest.approx(found.metrics[name], abs=1e-6) for name in CHOICE_METRICS
    }
    assert again.names == CHOICE_METRICS and again.texts[2] == "dull"
    score, without = again.without("acc_norm")
    assert score == pytest.approx(1 / 3) and without.tolist() == [0, 0.5, 0.5]
    for bad in (
        b"",
        content.replace(b"0,1,1,", b"9,1,1,", 1),
        content.replace(b",1,1\n", b",1,x\n"),
    ):
        with pytest.raises(InputError, match="a CSV file of choices is expected"):
            parse_answers(bad, (), "acc_norm", "file")


def test_baselines_choose_by_position_by_length_and_by_words():
    chosen = {}
    for name, baseline in BASELINES.items():
        assert Approach(name, baseline=name).fits(TASK) == (baseline.answers == "choice")
        if baseline.answers == "choice":
            fitted, answer = KIND.fit_baseline(baseline.fit, TRAIN)
            found = answer(TEST)
            assert fitted.stored_bytes >= 0 and math.isfinite(found.loss)
            chosen[name] = found.predicted.tolist()
    assert chosen == {
        "most frequent position": [1, 1, 1],
        "longest choice": [1, 1, 0],
        "TF-IDF of question and choice": [1, 0, 1],
    }
    rows = KIND.encoder(films.tokenizer(), 0, room=64)
    constant = KIND.constant_scores(rows.examples(TRAIN), rows.examples(TEST))
    assert constant == {"the most frequent position": pytest.approx(2 / 3)}


def test_an_external_answer_is_the_text_of_a_choice():
    texts = ["A great film", "great", "maybe"]
    found = KIND.judge([ExternalAnswer(KIND.parse_answer(f" {text}\n")) for text in texts], TEST)
    assert found.predicted.tolist() == [1, 0, -1] and math.isnan(found.loss)
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert "one of the example's choices" in KIND.allowed_answers("maybe")


def test_the_kind_of_a_task_and_what_it_refuses():
    assert isinstance(answer_kind(TASK), ChoiceKind)
    with pytest.raises(InputError, match="answer_by is 'text': it is about generated texts"):
        answer_kind(TASK, Answering(answer_by="text"))


def test_the_divisors_of_scores_are_tried_on_dev():
    tokenizer = films.tokenizer()
    divisors = [{"normalisation": name} for name in ("sum", "characters", "tokens")]
    assert [*scorings(TASK, tokenizer, "causal")] == divisors
    ended = replace(TASK, verbalizer=FreeText(end="\n"))
    assert scorings(ended, tokenizer, "causal")[1] == {"target_end": False, **divisors[1]}
    assert scorings(TASK, tokenizer, "seq2seq")[0] == {"target_end": False, **divisors[0]}
    assert scorings(TASK, tokenizer, "head") == ()
