"""The routes of encoders and of T5 against one plain forward pass per row and label."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.common.errors import InputError
from research.evaluation.batch import prompt_frame
from research.evaluation.calibration import pooled_label_scores
from research.evaluation.scoring import ROUTES, target_logprobs
from research.methods.adapted import Adapted
from research.methods.head import Head
from research.methods.method import Words
from research.methods.shared.leaves import add
from research.models.backbone import load_backbone
from research.tasks.encoding.encoded import Labels, LabelTexts
from tests import checkpoints
from tests.evaluation.plain import plain_labels
from tests.thorough import cases
from tests.tiny import LABELS, METHODS, batch, encoded, loss_sum, scored, with_method

FRAMES = {
    "masked": prompt_frame([3, 4, 8], suffix_ids=[7, 5], mask=9),
    "seq2seq": prompt_frame([3, 4, 8], suffix_ids=[2]),
    "head": prompt_frame([3], suffix_ids=[5]),
}
VARIANTS = {"bert": "masked", "t5": "seq2seq"}
# Float32 sums over some ten tokens, of logits below 100.
CLOSE = dict(rtol=0, atol=1e-4)


@pytest.fixture
def load(tmp_path):
    """`load(variant)`: (model, params) of that checkpoint."""

    def loaded(variant):
        backbone = load_backbone(str(checkpoints.write(tmp_path / "written", variant)))
        return backbone.model, backbone.params

    return loaded


@partial(jax.jit, static_argnums=0)
def masked_logprobs(model, params, ids, valid, types) -> jax.Array:
    """log softmax [T, V] of one row of ids [T]."""
    nested = {"params": unflatten_dict(params, sep="/")}
    places = jnp.arange(len(ids), dtype=jnp.int32)[None]
    hidden = model.apply(nested, ids[None], places, valid[None], types[None])
    return jax.nn.log_softmax(model.apply(nested, hidden, method="logits")[0])


@partial(jax.jit, static_argnums=0)
def seq2seq_logprobs(model, params, ids, valid, target) -> jax.Array:
    """log softmax [L, V] of the decoder's row `target` [L] after the encoder's `ids` [T]."""
    nested = {"params": unflatten_dict(params, sep="/")}
    places = jnp.arange(len(ids), dtype=jnp.int32)[None]
    hidden = model.apply(nested, ids[None], places, valid[None], method="encode")
    cross = model.apply(nested, hidden, places, valid[None], method="cross_memories")
    slots = jnp.arange(len(target), dtype=jnp.int32)[None]
    hidden, _ = model.apply(nested, target[None], slots, slots >= 0, (), cross)
    return jax.nn.log_softmax(model.apply(nested, hidden, method="logits")[0])


@partial(jax.jit, static_argnums=0)
def encoder_hidden(model, params, inputs, valid) -> jax.Array:
    """[T, D] of one row of embeddings [T, D]."""
    nested = {"params": unflatten_dict(params, sep="/")}
    places = jnp.arange(len(inputs), dtype=jnp.int32)[None]
    return model.apply(nested, inputs[None], places, valid[None])[0]


def hidden_of(model, params, ids, before=()) -> np.ndarray:
    """The hidden states of one row of ids, and of the embeddings that stand before them."""
    inputs = np.asarray(params["embed/embedding"])[np.asarray(ids)]
    inputs = np.concatenate([np.asarray(before).reshape(-1, inputs.shape[1]), inputs])
    padded = np.pad(inputs, ((0, 40 - len(inputs)), (0, 0)))
    valid = np.arange(40) < len(inputs)
    return np.asarray(encoder_hidden(model, params, padded, valid))[: len(inputs)]


def slow_score(model, params, prompt, target, around) -> float:
    """The sum of the log-probabilities of `target` after the opening and `prompt`, by one pass."""
    opening, closing = around.prefix_ids[: around.prefix_length], around.suffix_ids
    inner = [around.mask] * len(target) if model.ROUTE == "masked" else []
    before = [*opening, *prompt]
    ids = np.array([*before, *inner, *closing], np.int32)
    padded, valid = np.pad(ids, (0, 40 - len(ids))), np.arange(40) < len(ids)
    if model.ROUTE == "masked":
        closed = np.cumsum(padded == closing[-1]) - (padded == closing[-1])
        types = np.minimum(closed, model.config.types - 1).astype(np.int32)
        logprobs = masked_logprobs(model, params, padded, valid, types)
        return sum(float(logprobs[len(before) + t, id]) for t, id in enumerate(target))
    shifted = np.array([model.config.start_token, *target[:-1], *[0] * (4 - len(target))])
    logprobs = seq2seq_logprobs(model, params, padded, valid, shifted.astype(np.int32))
    return sum(float(logprobs[t, id]) for t, id in enumerate(target))


@pytest.mark.parametrize("variant", VARIANTS)
def test_label_scores_and_objective_are_sums_of_token_logprobs(load, variant):
    model, params = load(variant)
    around, rows = FRAMES[VARIANTS[variant]], batch(4)
    rows.tokens[1, 2] = around.suffix_ids[-1]  # a separator within: the second text of a pair
    scores = scored(model, (), params, rows, around)
    slow = np.zeros((4, 2))
    for row, label in np.ndindex(4, 2):
        prompt = rows.tokens[row, : rows.prompt_length[row]]
        target = LABELS.tokens[label, : LABELS.length[label]]
        slow[row, label] = slow_score(model, params, prompt, target, around)
    np.testing.assert_allclose(scores, slow, **CLOSE)
    right = slow[np.arange(4), rows.label].sum()
    assert -float(loss_sum(model, (), params, rows, around)) == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_labels_of_several_texts_are_calibrated(load, variant):
    """Two texts a label, of which one begins another; row 2 stands for a neutral prompt."""
    model, params = load(variant)
    around, rows = FRAMES[VARIANTS[variant]], batch(3)
    tokens = np.array([[5, 0, 0], [6, 9, 7], [5, 7, 0], [6, 0, 0]], np.int32)
    targets, sizes = Labels(tokens, np.array([1, 3, 2, 1])), np.ones(4)
    texts = LabelTexts(targets, np.array([0, 0, 1, 1]), sizes, sizes)
    scores = np.asarray(scored(model, (), params, rows, around, texts.targets))
    found = pooled_label_scores(scores[:2], texts, "tokens", [scores[2:]])
    slow = np.zeros((3, 4))
    for row, text in np.ndindex(3, 4):
        prompt = rows.tokens[row, : rows.prompt_length[row]]
        target = tokens[text, : texts.targets.length[text]]
        slow[row, text] = slow_score(model, params, prompt, target, around)
    for row in range(2):
        expected = plain_labels(slow[row], [0, 0, 1, 1], [1, 3, 2, 1], [slow[2]])
        np.testing.assert_allclose(found[row], expected, **CLOSE)


@pytest.mark.parametrize("variant", cases(VARIANTS, quick=()))
@pytest.mark.parametrize("name", ["prefix", "soft_prompt"])
def test_scores_do_not_depend_on_padding_or_other_rows(load, variant, name):
    model, params = load(variant)
    around, method = FRAMES[VARIANTS[variant]], METHODS[name]
    leaves, rows = with_method(method, params), batch(6)
    scores = scored(model, (method,), leaves, rows, around)
    assert np.abs(scores - scored(model, (), params, rows, around)).max() > 1e-3

    behind = np.arange(rows.tokens.shape[1])[None] >= rows.length[:, None]
    junk = rows._replace(tokens=np.where(behind, 17, rows.tokens))
    np.testing.assert_array_equal(scores, scored(model, (method,), leaves, junk, around))
    wide = rows._replace(tokens=np.pad(rows.tokens, ((0, 0), (0, 9)), constant_values=11))
    longer = around._replace(prefix_ids=np.pad(around.prefix_ids, (0, 5), constant_values=9))
    np.testing.assert_allclose(scores, scored(model, (method,), leaves, wide, longer), **CLOSE)
    alone = jax.tree.map(lambda field: field[2:3], rows)
    one = scored(model, (method,), leaves, alone, around)
    np.testing.assert_allclose(scores[2:3], one, **CLOSE)


@pytest.mark.parametrize(
    "variant, pool",
    [
        pytest.param("bert", "mean", marks=pytest.mark.thorough),
        pytest.param("roberta", "first", marks=pytest.mark.thorough),
    ],
)
def test_a_head_reads_the_pooled_row(load, variant, pool):
    model, params = load(variant)
    around, rows, method = FRAMES["head"], batch(4), Head(pool)
    leaves = with_method(method, params)
    scores = scored(model, (method,), leaves, rows, around)
    for row in range(4):
        hidden = hidden_of(model, params, [3, *rows.tokens[row, : rows.prompt_length[row]], 5])
        pooled = hidden.mean(0) if pool == "mean" else hidden[0]
        if pool == "first":  # these checkpoints have no pooler, so the head has a layer of its own
            pooled = np.tanh(pooled @ leaves["head:/dense"] + leaves["head:/dense_bias"])
        logits = pooled @ leaves["head:/kernel"] + leaves["head:/bias"]
        np.testing.assert_allclose(scores[row], jax.nn.log_softmax(logits), **CLOSE)
    right = np.asarray(scores)[np.arange(4), encoded(4).label].sum()
    objective = loss_sum(model, (method,), leaves, rows, around)
    assert -float(objective) == pytest.approx(right, abs=1e-4)


def test_a_number_is_the_output_and_its_loss_the_squared_error(load):
    model, params = load("bert")
    method, words = Head("mean"), Words((), lambda text: [0])
    leaves = params | add(method, jax.random.PRNGKey(1), params, words)
    assert leaves["head:/bias"].shape == (1,)
    rows = batch(3)._replace(label=np.array([0.5, -2.0, 3.25], np.float32))
    numbers = scored(model, (method,), leaves, rows, FRAMES["head"])
    for row in range(3):
        hidden = hidden_of(model, params, [3, *rows.tokens[row, : rows.prompt_length[row]], 5])
        expected = hidden.mean(0) @ leaves["head:/kernel"] + leaves["head:/bias"]
        np.testing.assert_allclose(numbers[row], expected, **CLOSE)
    error = ((np.asarray(numbers)[:, 0] - rows.label) ** 2).sum()
    assert float(loss_sum(model, (method,), leaves, rows, FRAMES["head"])) == pytest.approx(error)
    adapted = Adapted(model, (method,), leaves)
    with pytest.raises(InputError, match="schedule.label_smoothing is 0.1: a number has no"):
        target_logprobs(adapted, rows, FRAMES["head"], smoothing=0.1)


def test_a_mean_leaves_the_soft_prompt_out(load):
    """The prompt moves the row's hidden states, and is not itself averaged."""
    model, params = load("bert")
    head, soft, rows = Head("mean"), METHODS["soft_prompt"], batch(2)
    leaves = with_method(soft, with_method(head, params))
    scores = scored(model, (head, soft), leaves, rows, FRAMES["head"])
    prompt = np.asarray(leaves["soft_prompt:/prompt"])
    ids = [3, *rows.tokens[0, : rows.prompt_length[0]], 5]
    hidden = hidden_of(model, params, ids, prompt)
    logits = hidden[len(prompt) :].mean(0) @ leaves["head:/kernel"] + leaves["head:/bias"]
    np.testing.assert_allclose(scores[0], jax.nn.log_softmax(logits), **CLOSE)


@pytest.mark.parametrize("route", cases(ROUTES, quick=("head",)))
def test_every_route_smooths_its_targets(route, load):
    """All of it spread evenly, a target's token does not matter any more."""
    variant = {"masked": "bert", "head": "bert", "seq2seq": "t5", "causal": "gpt2"}[route]
    model, params = load(variant)
    methods = (Head("mean"),) if route == "head" else ()
    leaves = with_method(methods[0], params) if methods else params
    rows, around = batch(2), FRAMES.get(route, prompt_frame([3]))

    @partial(jax.jit, static_argnums=1)
    def logprobs(rows, smoothing):
        adapted = Adapted(model, methods, leaves)
        return target_logprobs(adapted, rows, around, smoothing=smoothing)[0]

    others = rows._replace(label=1 - rows.label, target=rows.target[:, ::-1])
    if route == "causal":
        others = rows._replace(target=rows.target[:, ::-1])
    first = (slice(None), slice(0, 1))  # later ones follow other tokens
    even = [logprobs(one, 1.0)[first] for one in (rows, others)]
    np.testing.assert_allclose(*even, **CLOSE)
    plain = [logprobs(one, 0.0)[first] for one in (rows, others)]
    assert not np.allclose(*plain, **CLOSE)
    half = logprobs(rows, 0.5)[first]
    np.testing.assert_allclose(half, (plain[0] + even[0]) / 2, **CLOSE)
