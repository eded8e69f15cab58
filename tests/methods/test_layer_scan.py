"""Layers that run as scans: which layers they join, with the numbers of one layer after another."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from research.common.errors import InputError
from research.contracts.contracts import resumes_from_states
from research.contracts.subject import ContractCase
from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.scoring import label_scores, target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.head import Head
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA, RankOf
from research.methods.method import Leaves, Method
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import mask, split
from research.methods.soft_prompt import SoftPrompt
from research.models.layers.rope import Rope
from research.tasks.decoding import Decoding
from tests import checkpoints
from tests.thorough import cases
from tests.tiny import FRAME, LABELS, batch, decoder, encoded, predictor, with_method

LAYERS = 5
LORA = LoRA(rank=3, alpha=6.0, targets=("query|qkv", "down"))


def loss_of(model, method: Method, leaves: Leaves, trained: Leaves, **options) -> jax.Array:
    """Of rows in training, each with a random key."""
    traced = jax.tree.map(np.float32, method)
    adapted = Adapted(
        model, (traced,), {**leaves, **trained}, trained=frozenset(trained), **options
    )
    logprobs, counted = target_logprobs(adapted, batch(6), FRAME, jax.random.PRNGKey(7))
    return -jnp.where(counted, logprobs, 0.0).sum()


def scan_lengths(function, *args) -> list[int]:
    """Numbers of layers of the scans of a function, in order."""

    def lengths(jaxpr: core.Jaxpr) -> Iterator[int]:
        for equation in jaxpr.eqns:
            if equation.primitive.name == "scan":
                yield equation.params["length"]
            for inner in core.jaxprs_in_params(equation.params):
                yield from lengths(inner)

    return list(lengths(jax.make_jaxpr(function)(*args).jaxpr))


def scans(method: Method, **changes) -> list[int]:
    """Numbers of layers of the scans of a loss: those of the prefix, then those of the rows."""
    model, params = decoder(layers=LAYERS, **changes)
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    loss = scan_lengths(
        lambda trained: loss_of(model.with_layers("scan"), method, frozen, trained), trained
    )
    assert not scan_lengths(lambda trained: loss_of(model, method, frozen, trained), trained)
    return loss


ALIKE = {
    # The last layer computes the rows' targets alone.
    "lora": (LORA, [5, 4]),
    "full": (Full(), [5, 4]),
    "prefix": (PrefixTuning(length=3), [5, 4]),
    "soft_prompt": (SoftPrompt(length=4), [5, 4]),
    # Gradients of the frozen layers are not computed.
    "last_layers": (LastLayers(last=2), [3, 2, 3]),
    "upper lora": (LoRA(rank=3, targets=("layers_[234]/.*query",)), [2, 3, 2, 2]),
    "ranks": (LoRA(rank=3, ranks=(RankOf("layers_[01]/.*", 2),)), [2, 3, 2, 2]),
    "every other": (LoRA(rank=3, targets=("layers_[13]/.*query",)), []),
}


@pytest.mark.parametrize("name", ALIKE)
def test_neighbours_that_are_trained_alike_are_one_scan(name):
    method, expected = ALIKE[name]
    assert scans(method) == expected


# Layers that differ in their windows, in whether they have rotary positions, and in both windows
# and frequencies.
DIFFERENT: dict[str, dict[str, Any]] = {
    "qwen3": dict(window=3, windowed=(0, 2)),
    "smollm3": dict(unrotated=(1, 4)),
    "gemma3_text": dict(window=3, windowed=(0, 2), local_rope=Rope(20.0)),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_layers_whose_positions_differ_are_one_scan(kind):
    assert scans(LORA, model_type=kind, **DIFFERENT[kind]) == [5, 4]


def differences(method: Method, model, params, **options) -> None:
    """Asserts that a scan has the loss and the gradients of layers that run one by one."""
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))

    def run(model, remat=False):
        def loss(trained):
            return loss_of(model, method, frozen, trained, remat=remat, **options)

        return jax.jit(jax.value_and_grad(loss))(trained)

    expected, expected_gradients = run(model)
    largest = max(float(jnp.abs(gradient).max()) for gradient in expected_gradients.values())
    for remat in (False, True):
        loss, gradients = run(model.with_layers("scan"), remat)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        for path, gradient in expected_gradients.items():
            np.testing.assert_allclose(
                gradients[path], gradient, rtol=0, atol=1e-5 * largest, err_msg=path
            )


NUMBERS = {name: method for name, (method, _) in ALIKE.items()}
NUMBERS["drop"] = replace(LORA, dropout=0.5)


@pytest.mark.parametrize("name", cases(NUMBERS, quick=("last_layers",)))
def test_losses_and_gradients_are_those_of_layers_one_by_one(name):
    """With remat too, and with the masks of dropout, which differ between layers."""
    differences(NUMBERS[name], *decoder(layers=LAYERS))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", DIFFERENT)
def test_positions_are_those_of_the_layers(kind):
    """Of half the weights: rounding of whole ones moves the gradients of Gemma 3 by 3e-4."""
    model, params = decoder(layers=LAYERS, model_type=kind, **DIFFERENT[kind])
    differences(LORA, model, {path: leaf / 2 for path, leaf in params.items()})


@pytest.mark.parametrize("variant", cases(["t5", "t5 1.1"], quick=()))
def test_dropout_of_the_model_is_that_of_the_layers(variant):
    """Its masks differ between layers; encoder and decoder may have different numbers of them."""
    model, params = checkpoints.drawn(variant, num_layers=4)
    frame = prompt_frame([3, 4], [5])
    traced = jax.tree.map(np.float32, LORA)

    def loss(leaves, model):
        adapted = Adapted(model, (traced,), leaves, dropout=0.3, trained=frozenset(leaves))
        logprobs, counted = target_logprobs(adapted, batch(6), frame, jax.random.PRNGKey(7))
        return -jnp.where(counted, logprobs, 0.0).sum()

    leaves = with_method(LORA, params)
    scan = model.with_layers("scan")
    assert len(scan_lengths(lambda leaves: loss(leaves, scan), leaves)) == 2
    run = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    (expected, gradients), (actual, others) = run(leaves, model), run(leaves, scan)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    largest = max(float(jnp.abs(gradient).max()) for gradient in gradients.values())
    for path, gradient in gradients.items():
        np.testing.assert_allclose(
            others[path], gradient, rtol=0, atol=1e-5 * largest, err_msg=path
        )


@pytest.mark.thorough
@pytest.mark.parametrize("variant", cases(["llama", "t5", "gpt2"], quick=("llama",)))
def test_generated_texts_are_the_same(variant):
    """With demonstrations before the rows, whose keys and values every layer reads."""
    layers = {"t5": "num_layers", "gpt2": "n_layer"}.get(variant, "num_hidden_layers")
    model, params = checkpoints.drawn(variant, **{layers: 3})
    frame = prompt_frame([3, 4, 5], [1] if variant == "t5" else [])
    weights = AdaptedWeights((LORA,), with_method(LORA, params))
    prompts = EncodedPrompts(encoded(5), frame)

    def texts(model):
        return predictor(model).generate(weights, prompts, Decoding(6), ends=[9])

    expected, actual = texts(model), texts(model.with_layers("scan"))
    assert len(np.unique(expected.tokens)) > 2
    np.testing.assert_array_equal(actual.tokens, expected.tokens)
    np.testing.assert_allclose(actual.score, expected.score, rtol=1e-5, atol=1e-5)


@pytest.mark.thorough
def test_the_trunk_ends_between_two_scans():
    """Where upper layers train, the states of those below are kept as without scans."""
    model, params = decoder(layers=LAYERS)
    case = ContractCase(model.with_layers("scan"), params, (LastLayers(last=2),))
    assert None not in case.kept_states
    resumes_from_states(case)
    kept, _ = case.kept_states
    plain, _ = ContractCase(model, params, (LastLayers(last=2),)).kept_states
    assert kept is not None and plain is not None
    assert kept.rows.shapes == plain.rows.shapes
    assert kept.rows.flops(4, 12) == pytest.approx(plain.rows.flops(4, 12), rel=0.05)


@pytest.mark.parametrize("variant", ["llama", "gpt2", "bert", "roberta", "t5", "t5 encoder"])
def test_hidden_states_keep_their_precision_from_layer_to_layer(variant):
    layers = {"gpt2": "n_layer", "t5": "num_layers", "t5 encoder": "num_layers"}
    changes = {layers.get(variant, "num_hidden_layers"): 3}
    model, params = checkpoints.drawn(variant, **changes)
    methods = (Head(), LORA) if variant == "t5 encoder" else (LORA,)
    case = ContractCase(model.with_layers("scan"), params, methods)

    def scores(leaves):
        adapted = Adapted(case.model, case.methods, leaves, jnp.bfloat16)
        return label_scores(adapted, case.batch(), case.frame, LABELS)

    assert 2 in scan_lengths(scores, case.moved) or 3 in scan_lengths(scores, case.moved)


def test_a_model_of_one_layer_is_refused():
    model, _ = decoder(layers=1)
    message = "devices.layers is 'scan': the model has a single layer, so only unrolled is possible"
    with pytest.raises(InputError, match=message):
        model.with_layers("scan")
    assert model.with_layers("unrolled") == model
