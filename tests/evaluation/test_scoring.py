"""The scorer against log-probabilities computed the slow way, one row and one token at a time."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import research.evaluation.split_inputs
from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.lora import LoRA
from research.tasks.encoding.encoded import Encoded
from research.training.member import Member
from research.training.optimizer import Schedule
from research.training.step import Program
from tests.thorough import cases
from tests.tiny import (
    FRAME,
    LABELS,
    METHODS,
    all_logprobs,
    batch,
    decoder,
    encoded,
    fit_members,
    hyper,
    loss_sum,
    predictor,
    scored,
    with_method,
)

# Float32 sums over some ten tokens, of logits below 100.
CLOSE = dict(rtol=0, atol=1e-4)


@pytest.mark.parametrize("opening", [[3, 4, 8], [3], []], ids=len)
def test_label_score_is_the_sum_of_token_logprobs(opening):
    model, params = decoder()
    rows = batch(4)
    scores = scored(model, (), params, rows, prompt_frame(opening))
    for row in range(4):
        prompt = [*opening, *rows.tokens[row, : rows.prompt_length[row]]]
        for label in range(2):
            target = LABELS.tokens[label, : LABELS.length[label]]
            ids = np.array([*prompt, *target, *[0] * 30][:24])
            logprobs = all_logprobs(model, params, ids)
            slow = sum(float(logprobs[len(prompt) + t - 1, id]) for t, id in enumerate(target))
            assert float(scores[row, label]) == pytest.approx(slow, abs=1e-4)


def without_prompt(examples):
    """The examples, of which number 1 has a target alone."""
    tokens, start = examples.tokens.copy(), examples.prompt_length.copy()
    count = int(examples.length[1] - start[1])
    tokens[1, :count] = tokens[1, start[1] : examples.length[1]]
    start[1] = 0
    length = np.where(start == 0, count, examples.length).astype(np.int32)
    return replace(examples, tokens=tokens, prompt_length=start, length=length)


def test_a_row_without_a_prompt_is_scored_after_a_single_token_before_all_rows():
    model, params = decoder()
    prompts = EncodedPrompts(without_prompt(encoded(3)), prompt_frame([3]))
    scores = predictor(model).scores(AdaptedWeights((), params), prompts, LABELS)
    for label, length in enumerate(LABELS.length):
        target = LABELS.tokens[label, :length]
        logprobs = all_logprobs(model, params, np.array([3, *target, *[0] * 8][:9]))
        slow = sum(float(logprobs[t, id]) for t, id in enumerate(target))
        assert scores[1, label] == pytest.approx(slow, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "opening"), [("lora", [3, 4, 8]), ("lora", []), ("soft_prompt", [3]), ("prefix", [])]
)
def test_a_row_without_a_prompt_is_refused_after_a_prefix_of_its_own_pass(name, opening):
    """Its first target would be predicted from a slot that holds padding or that target itself."""
    model, params = decoder()
    method = METHODS[name]
    weights = AdaptedWeights((method,), with_method(method, params))
    rows, frame = without_prompt(encoded(3)), prompt_frame(opening)
    message = "example is 1: its prompt has no token"
    with pytest.raises(InputError, match=message):
        predictor(model).scores(weights, EncodedPrompts(rows, frame), LABELS)
    with pytest.raises(InputError, match=message):
        predictor(model).loss(weights, EncodedPrompts(rows, frame))
    member = Member(0, hyper(method), weights.leaves, rows, encoded(3), frame)
    with pytest.raises(InputError, match=message):
        fit_members(Program(model, Schedule(steps=1)), [member])


@pytest.mark.thorough
def test_objective_and_scorer_sum_the_same_numbers():
    model, params = decoder()
    methods = (METHODS["lora"],)
    leaves = with_method(methods[0], params)
    examples, rows = encoded(6), batch(6)
    scores = np.asarray(scored(model, methods, leaves, rows))
    right = scores[np.arange(6), examples.label].sum()
    assert -float(loss_sum(model, methods, leaves, rows)) == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("name", cases(METHODS, quick=()))
def test_scores_do_not_depend_on_padding_or_other_rows(name):
    model, params = decoder()
    methods = (METHODS[name],)
    leaves, rows = with_method(methods[0], params), batch(6)
    scores = scored(model, methods, leaves, rows)

    behind = np.arange(rows.tokens.shape[1])[None] >= rows.length[:, None]
    junk = rows._replace(tokens=np.where(behind, 17, rows.tokens))
    np.testing.assert_array_equal(scores, scored(model, methods, leaves, junk))

    wide = rows._replace(tokens=np.pad(rows.tokens, ((0, 0), (0, 9)), constant_values=11))
    np.testing.assert_allclose(scores, scored(model, methods, leaves, wide), **CLOSE)

    padded = FRAME._replace(prefix_ids=np.pad(FRAME.prefix_ids, (0, 5), constant_values=9))
    np.testing.assert_allclose(scores, scored(model, methods, leaves, rows, padded), **CLOSE)

    alone = jax.tree.map(lambda field: field[2:3], rows)
    np.testing.assert_allclose(scores[2:3], scored(model, methods, leaves, alone), **CLOSE)


def test_a_target_token_of_the_row_is_not_looked_at():
    model, params = decoder()
    rows = batch(4)
    target = np.arange(rows.tokens.shape[1])[None] >= rows.prompt_length[:, None]
    other = rows._replace(tokens=np.where(target, 12, rows.tokens))
    np.testing.assert_array_equal(scored(model, (), params, rows), scored(model, (), params, other))


@pytest.mark.thorough
def test_predictions_do_not_depend_on_batch_size_or_order():
    model, params = decoder()
    examples = encoded(11)
    weights = AdaptedWeights((), params)

    def scores(rows, size):
        prompts = EncodedPrompts(rows, FRAME)
        return predictor(model).scores(weights, prompts, LABELS, batch_size=size)

    whole = scores(examples, 16)
    np.testing.assert_allclose(whole, scores(examples, 4), **CLOSE)
    names = ("tokens", "length", "prompt_length", "label")
    turned = Encoded(*(getattr(examples, name)[::-1] for name in names), cut=0)
    np.testing.assert_allclose(whole, scores(turned, 4)[::-1], **CLOSE)


def test_long_rows_share_a_batch_with_fewer_others(monkeypatch):
    """With the same scores, losses and programs that are compiled ahead."""
    model, params = decoder()
    weights, prompts = AdaptedWeights((), params), EncodedPrompts(encoded(11, width=24), FRAME)
    scorer, sizes = predictor(model), []
    expected = scorer.scores(weights, prompts, LABELS, batch_size=8)
    loss = scorer.loss(weights, prompts)
    monkeypatch.setattr("research.evaluation.batch.MOST_TOKENS", 64)  # 8 rows of 8, 2 rows of 32
    make = research.evaluation.split_inputs.batch_rows

    def noting(rows, indices, size, width, targets):
        sizes.append((size, width))
        return make(rows, indices, size, width, targets)

    monkeypatch.setattr(research.evaluation.split_inputs, "batch_rows", noting)
    scores = scorer.scores(weights, prompts, LABELS, batch_size=8)
    np.testing.assert_allclose(scores, expected, **CLOSE)
    assert len(set(sizes)) > 1 and all(size * width <= 64 for size, width in sizes)
    assert sum(size for size, _ in sizes) >= 11
    used = set(sizes)
    scorer.score_calls(weights, prompts, LABELS, batch_size=8)
    assert set(sizes) == used
    assert scorer.loss(weights, prompts) == pytest.approx(loss, abs=1e-5)
    assert sizes[-1] == (2, 32)


@pytest.mark.parametrize("name", cases(["lora", "prefix", "soft_prompt"], quick=["lora"]))
def test_one_token_before_all_rows_is_the_same_in_the_rows_and_in_a_pass_of_its_own(name):
    """Padding gives it a pass of its own."""
    model, params = decoder()
    methods, rows = (METHODS[name],), batch(3)
    leaves = with_method(methods[0], params)
    alone = prompt_frame([3])
    padded = alone._replace(prefix_ids=np.pad(alone.prefix_ids, (0, 2), constant_values=9))
    in_rows, apart = (scored(model, methods, leaves, rows, one) for one in (alone, padded))
    np.testing.assert_allclose(in_rows, apart, **CLOSE)

    def gradients(around):
        return jax.grad(lambda leaves: loss_sum(model, methods, leaves, rows, around))(leaves)

    found, expected = gradients(alone), gradients(padded)
    for path, gradient in expected.items():
        np.testing.assert_allclose(found[path], gradient, atol=1e-4, err_msg=path)


@pytest.mark.parametrize("name", cases(["soft_prompt", "lora"], quick=()))
def test_prefix_once_equals_prefix_concatenated_to_every_row(name):
    """In logits and in the gradients of every leaf, with a method at work in the frame too."""
    model, params = decoder()
    methods = (METHODS[name],)
    leaves = with_method(methods[0], params)
    shown = np.random.default_rng(3).integers(10, 23, 12)
    rows = batch(3)
    joined = [[*shown, *rows.tokens[i, : rows.length[i]]] for i in range(3)]
    width = max(map(len, joined))
    whole = rows._replace(
        tokens=np.array([ids + [0] * (width - len(ids)) for ids in joined], np.int32),
        prompt_length=rows.prompt_length + len(shown),
        length=rows.length + len(shown),
    )
    value = jax.jit(jax.value_and_grad(loss_sum, argnums=2), static_argnums=0)
    once, gradient = value(model, methods, leaves, rows, prompt_frame(list(shown)))
    each, slow_gradient = value(model, methods, leaves, whole, prompt_frame([]))
    assert float(once) == pytest.approx(float(each), rel=1e-5)
    for path, leaf in gradient.items():
        scale = max(1.0, np.abs(slow_gradient[path]).max())
        np.testing.assert_allclose(leaf, slow_gradient[path], rtol=0, atol=1e-5 * scale)


@pytest.mark.thorough
def test_soft_prompt_equals_embeddings_concatenated_to_every_row():
    model, params = decoder()
    method = METHODS["soft_prompt"]
    leaves, rows = with_method(method, params), batch(3)
    adapted = jax.jit(
        lambda leaves, rows: target_logprobs(
            Adapted(model, (method,), leaves), rows, prompt_frame([])
        )
    )
    logprobs, counted = adapted(leaves, rows)
    for i in range(3):
        embedded = params["embed/embedding"][rows.tokens[i]]
        slow = all_logprobs(
            model, params, jnp.concatenate([leaves["soft_prompt:/prompt"], embedded])
        )
        for t in range(int(counted[i].sum())):
            place = int(rows.prompt_length[i]) + t
            expected = float(slow[method.length + place - 1, rows.tokens[i, place]])
            assert float(logprobs[i, t]) == pytest.approx(expected, abs=1e-4)


def test_lora_scale_is_alpha_over_rank():
    model, params = decoder()
    leaves, rows = with_method(LoRA(rank=2), params), batch(2)
    doubled = {p: 2 * x if p.endswith("/b") else x for p, x in leaves.items()}
    scores = scored(model, (LoRA(rank=2, alpha=4.0),), leaves, rows)
    same = scored(model, (LoRA(rank=2, alpha=2.0),), doubled, rows)
    np.testing.assert_allclose(scores, same, **CLOSE)
