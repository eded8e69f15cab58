"""Scores of the rows' own choices against each full sequence scored alone."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.evaluation.batch import EncodedPrompts, batch_rows, prompt_frame
from research.evaluation.calibration import own_choice_scores
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.scoring import choice_logprobs
from research.methods.adapted import Adapted
from research.methods.head import Head
from research.methods.method import Words
from research.methods.shared.leaves import add
from research.tasks.encoding.encoded import Encoded, Labels, RowChoices
from tests.thorough import cases
from tests.tiny import (
    CONFIG,
    FRAME,
    METHODS,
    all_logprobs,
    decoder,
    encoded,
    predictor,
    scored,
    with_method,
)

CLOSE = dict(rtol=0, atol=1e-4)
ROWS = 5


def with_choices(rows: Encoded, seed: int = 0) -> Encoded:
    """The rows with two to four choices of one to three tokens each, some of which begin others."""
    draw, count = np.random.default_rng(seed), len(rows.length)
    tokens = draw.integers(5, 9, (count, 4, 3)).astype(np.int32)
    length = draw.integers(1, 4, (count, 4)).astype(np.int32)
    length[0, 2:], length[1, 3:] = 0, 0
    tokens[np.arange(3) >= length[..., None]] = 0
    sizes = 5 * length + draw.integers(0, 3, length.shape).astype(np.int32)
    choices = RowChoices(Labels(tokens, length), sizes, sizes)
    return replace(rows, choices=choices, label=np.zeros(count, np.int32))


def alone(rows: Encoded, row: int, choice: int) -> Encoded:
    """A row with one of its choices as the only one."""
    assert rows.choices is not None
    tokens, length = (part[[row], choice : choice + 1] for part in rows.choices.targets)
    names = ("tokens", "length", "prompt_length", "label")
    parts = {name: getattr(rows, name)[[row]] for name in names}
    one = RowChoices(Labels(tokens, length), length, length)
    return replace(rows, **parts, choices=one)


def test_a_choice_scores_the_sum_of_its_tokens_logprobs():
    model, params = decoder()
    rows = with_choices(encoded(ROWS))
    scores = predictor(model).scores(AdaptedWeights((), params), EncodedPrompts(rows, FRAME))
    assert rows.choices is not None
    for row in range(ROWS):
        prompt = [3, 4, 8, *rows.tokens[row, : rows.prompt_length[row]]]
        for choice, length in enumerate(rows.choices.targets.length[row]):
            target = rows.choices.targets.tokens[row, choice, :length]
            ids = np.array([*prompt, *target, *[0] * 30][:24])
            logprobs = all_logprobs(model, params, ids)
            slow = sum(float(logprobs[len(prompt) + t - 1, id]) for t, id in enumerate(target))
            expected = slow if length else -np.inf
            assert scores[row, choice] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", cases(METHODS, quick=("lora",)))
def test_each_choice_scores_the_same_alone(name: str):
    model, params = decoder()
    method = jax.tree.map(np.float32, METHODS[name])
    weights = AdaptedWeights((method,), with_method(METHODS[name], params))
    rows = with_choices(encoded(3))
    scores = predictor(model).scores(weights, EncodedPrompts(rows, FRAME))
    for row, choice in [(0, 1), (1, 2), (2, 3)]:
        one = predictor(model).scores(weights, EncodedPrompts(alone(rows, row, choice), FRAME))
        np.testing.assert_allclose(scores[row, choice], one[0, 0], **CLOSE)


def test_labels_that_all_rows_share_score_the_same_as_own_choices():
    model, params = decoder()
    shared = Labels(np.array([[5, 7, 0], [6, 9, 7]], np.int32), np.array([2, 3], np.int32))
    rows = batch_rows(encoded(3), np.arange(3), 3, 14, 3)
    own = Labels(np.tile(shared.tokens, (3, 1, 1)), np.tile(shared.length, (3, 1)))
    choices = rows._replace(choices=own)
    expected = scored(model, (), params, rows, FRAME, shared)
    np.testing.assert_allclose(scored(model, (), params, choices, FRAME, None), expected, **CLOSE)


@partial(jax.jit, static_argnums=0)
def contrast(model, methods, leaves, rows, frame):
    """`choice_logprobs` summed, and its gradient."""

    def total(leaves):
        logprobs, counted = choice_logprobs(Adapted(model, methods, leaves), rows, frame)
        return -jax.numpy.where(counted, logprobs, 0.0).sum()

    return jax.value_and_grad(total)(leaves)


@pytest.mark.parametrize("opening", cases([(3,), (3, 4, 8)], quick=((3,),)))
def test_the_right_choice_competes_with_the_others_of_its_row(opening: tuple[int, ...]):
    """The gradient is finite though rows lack choices and one row is padding."""
    frame = prompt_frame(opening)
    model, params = decoder()
    rows = batch_rows(with_choices(encoded(3)), np.arange(3), 4, 14, 3)
    assert rows.choices is not None and rows.choices.length[0, 2] == 0
    scores = np.asarray(scored(model, (), params, rows, frame, None), np.float64)[:3]
    expected = np.logaddexp.reduce(scores, axis=1) - scores[:, 0]
    loss, gradient = contrast(model, (), params, rows, frame)
    assert float(loss) == pytest.approx(expected.sum(), abs=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in gradient.values())


@pytest.mark.thorough
def test_a_head_reads_each_choice_after_the_prompt():
    """Its log-probabilities are a softmax over one output for each whole text."""
    model, params = decoder()
    head = Head(pool="last")
    leaves = params | add(head, jax.random.PRNGKey(0), params, Words((), lambda text: []))
    assert leaves["head:/kernel"].shape == (CONFIG["width"], 1)
    weights = AdaptedWeights((head,), leaves)
    rows, frame = with_choices(encoded(3)), prompt_frame([3, 4, 8], suffix_ids=(2,))
    logprobs = predictor(model).scores(weights, EncodedPrompts(rows, frame))
    assert rows.choices is not None
    outputs = np.full(logprobs.shape, -np.inf)
    for row, lengths in enumerate(rows.choices.targets.length):
        prompt = [3, 4, 8, *rows.tokens[row, : rows.prompt_length[row]]]
        for choice, length in enumerate(lengths):
            if length:
                target = rows.choices.targets.tokens[row, choice, :length]
                outputs[row, choice] = head_output(model, leaves, [*prompt, *target, 2])
    expected = outputs - np.logaddexp.reduce(outputs, axis=1)[:, None]
    np.testing.assert_allclose(logprobs, expected, rtol=0, atol=1e-4)


def head_output(model, leaves, ids: list[int]) -> float:
    """The head's output at the last of these ids, by one plain forward pass."""
    backbone = {path: leaf for path, leaf in leaves.items() if ":" not in path}
    positions = np.arange(len(ids))[None]
    nested = {"params": unflatten_dict(backbone, sep="/")}
    hidden, _ = model.apply(nested, np.array([ids]), positions, positions >= 0)
    return float(hidden[0, -1] @ leaves["head:/kernel"][:, 0] + leaves["head:/bias"][0])


def test_scores_are_normalised_calibrated_and_hold_where_a_row_lacks_a_choice():
    rows = with_choices(encoded(ROWS))
    choices = rows.choices
    assert choices is not None
    draw = np.random.default_rng(1)
    scores = draw.normal(-9, 2, (ROWS, 4)).astype(np.float32)
    absent = choices.targets.length == 0
    scores[absent] = -np.inf
    prior = scores + draw.normal(size=scores.shape).astype(np.float32)
    for by, lengths in {"sum": 1, "tokens": choices.targets.length, "bytes": choices.size}.items():
        plain = own_choice_scores(scores, choices, by)
        less = own_choice_scores(scores, choices, by, [prior])
        assert (plain[absent] == -np.inf).all() and (less[absent] == -np.inf).all()
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(plain[~absent], (scores / lengths)[~absent], rtol=1e-6)
            expected = ((scores - prior) / lengths)[~absent]
        np.testing.assert_allclose(less[~absent], expected, rtol=1e-4, atol=1e-5)


def test_head_rows_keep_the_choices_of_the_first_rows():
    rows = with_choices(encoded(ROWS)).head(2)
    assert rows.choices is not None and rows.choices.targets.tokens.shape == (2, 4, 3)
