"""The switches of the Llama family against the formulas, in float64 and one query at a time."""

import math

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import random_params
from tests import tiny
from tests.thorough import cases

TOKENS = np.random.default_rng(5).integers(0, 23, (2, 6)).astype(np.int32)
ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu_pytorch_tanh": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
}


class PlainDecoder:
    """The formulas as the papers write them."""

    def __init__(self, config, params):
        self.config = config
        self.params = {path: np.asarray(leaf, np.float64) for path, leaf in params.items()}

    def norm(self, x, path):
        mean = (x**2).mean(axis=-1, keepdims=True)
        scale = self.params[f"{path}/scale"] + self.config.norm_offset
        return x / np.sqrt(mean + self.config.norm_eps) * scale

    def heads(self, x, path):
        """[T, heads, K] of [T, D]."""
        product = x @ self.params[f"{path}/kernel"]
        if self.config.head_norm and self.config.whole_norm and not path.endswith("value"):
            product = self.norm(product, f"{path}_norm")
        return product.reshape(len(x), -1, self.config.head_width)

    def rotated(self, vector, position):
        """One head [K] at a position; the numbers after the rotated ones stay."""
        width = int(self.config.head_width * self.config.partial_rotary)
        result, half = vector.copy(), width // 2
        for pair in range(half):
            angle = position * self.config.rope.theta ** (-2 * pair / width)
            first, second = vector[pair], vector[pair + half]
            result[pair] = first * math.cos(angle) - second * math.sin(angle)
            result[pair + half] = second * math.cos(angle) + first * math.sin(angle)
        return result

    def attention(self, x, path):
        config = self.config
        query, keys, values = (self.heads(x, f"{path}/{n}") for n in ("query", "key", "value"))
        if config.head_norm and not config.whole_norm:
            query = self.norm(query, f"{path}/query_norm")
            keys = self.norm(keys, f"{path}/key_norm")
        scale = config.query_scale or config.head_width**-0.5
        attended = np.zeros_like(query)
        for position, head in np.ndindex(*query.shape[:2]):
            group = head // (config.heads // config.kv_heads)
            asking = self.rotated(query[position, head], position)
            scores = np.array(
                [asking @ self.rotated(keys[t, group], t) * scale for t in range(position + 1)]
            )
            if config.score_cap is not None:
                scores = config.score_cap * np.tanh(scores / config.score_cap)
            weights = np.exp(scores) / np.exp(scores).sum()
            attended[position, head] = weights @ values[: position + 1, group]
        return attended.reshape(len(x), -1) @ self.params[f"{path}/out/kernel"]

    def mlp(self, x, path):
        up, gate, down = (self.params[f"{path}/{n}/kernel"] for n in ("up", "gate", "down"))
        return (ACTIVATIONS[self.config.activation](x @ gate) * (x @ up)) @ down

    def logits(self, tokens):
        config = self.config
        x = self.params["embed/embedding"][tokens] * config.embed_scale
        x = x * math.sqrt(config.width) if config.root_scale else x
        for index in range(config.layers):
            for part, name in ((self.attention, "attention"), (self.mlp, "mlp")):
                path = f"layers_{index}/{name}"
                output = part(self.norm(x, f"{path}_norm") if config.pre_norms else x, path)
                if config.post_norms:
                    output = self.norm(output, f"{path}_post_norm")
                x = x + config.residual_scale * output
        logits = self.norm(x, "final_norm") @ self.params["embed/embedding"].T
        logits = logits / config.logit_divisor
        return config.logit_cap * np.tanh(logits / config.logit_cap) if config.logit_cap else logits


SWITCHES = {
    "activation": "gelu_pytorch_tanh",
    "head_norm": True,
    "norm_offset": 1.0,
    "post_norms": True,
    "score_cap": 0.7,
    "query_scale": 0.9,
    "partial_rotary": 0.67,  # 4 of 6 numbers
}
FURTHER = {
    "root_scale": True,
    "embed_scale": 1.7,
    "residual_scale": 0.6,
    "logit_divisor": 2.5,
    "logit_cap": 1.5,
}
NORMS_AFTER = dict(head_norm=True, whole_norm=True, pre_norms=False, post_norms=True)
QUICK = [{}, *({name: value} for name, value in SWITCHES.items()), SWITCHES]
QUICK += [{**NORMS_AFTER, **FURTHER}]
CASES = [*QUICK, NORMS_AFTER, *({name: value} for name, value in FURTHER.items())]


def logits(model, params, tokens, start=0, memories=()):
    """(logits [B, T, V], memory)."""
    variables = {"params": unflatten_dict(params, sep="/")}
    positions = np.tile(np.arange(start, start + tokens.shape[1], dtype=np.int32), (len(tokens), 1))
    valid = np.ones(tokens.shape, bool)
    hidden, memory = model.apply(variables, tokens, positions, valid, memories)
    return model.apply(variables, hidden, method="logits"), memory


@pytest.mark.parametrize(
    "switches", cases(CASES, QUICK), ids=lambda case: " ".join(case) if case else "llama"
)
def test_a_switch_is_its_formula(switches):
    model, params = tiny.decoder(**switches)
    found, _ = logits(model, params, TOKENS)
    plain = PlainDecoder(model.config, params)
    expected = np.stack([plain.logits(tokens) for tokens in TOKENS])
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", cases({**SWITCHES, **FURTHER}, SWITCHES))
def test_a_switch_matters(name):
    """With the leaves that both models have."""
    switch = {name: {**SWITCHES, **FURTHER}[name]}
    (plain, params), (switched, others) = tiny.decoder(), tiny.decoder(**switch)
    others = {**others, **params}
    difference = logits(switched, others, TOKENS)[0] - logits(plain, params, TOKENS)[0]
    assert np.abs(difference).max() > 1e-2


def test_all_switches_work_after_a_memory():
    """A memory of three tokens, then the rest, is the whole."""
    model, params = tiny.decoder(**SWITCHES)
    whole, _ = logits(model, params, TOKENS)
    _, memory = logits(model, params, TOKENS[:, :3])
    rest, _ = logits(model, params, TOKENS[:, 3:], 3, (memory,))
    np.testing.assert_allclose(rest, whole[:, 3:], atol=1e-4, rtol=0)


def test_an_offset_norm_starts_as_one_without():
    """Its scales start at 0, so that `1 + scale` is 1."""
    model, _ = tiny.decoder(norm_offset=1.0)
    params = random_params(model, jax.random.key(0))
    assert all(not leaf.any() for path, leaf in params.items() if path.endswith("norm/scale"))
