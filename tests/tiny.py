"""Tiny models, methods and data for tests."""

from functools import partial

import jax
import numpy as np
from flax.traverse_util import unflatten_dict

from research.evaluation.answer_kinds.label_answerer import LabelAnswerer
from research.evaluation.batch import Rows, batch_rows, prompt_frame
from research.evaluation.predictor import Predictor
from research.evaluation.scoring import label_scores, target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.method import Leaves, Method, Words
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import add
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import shapes
from research.models.llama.model import Decoder, DecoderConfig
from research.models.llama.variants import VARIANTS
from research.runtime.devices import Devices
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts
from research.training.fit import fit
from research.training.member import Outcome
from research.training.options import FitOptions
from research.training.step import Hyper

CONFIG = dict(
    vocab_size=23,
    width=16,
    layers=2,
    heads=4,
    kv_heads=2,
    head_width=6,
    hidden=24,
    context=32,
    tied=True,
)
# Methods of every kind: those that train the backbone, change layers, or stand before the rows.
METHODS = {
    "full": Full(),
    "last_layers": LastLayers(last=1),
    "lora": LoRA(rank=3, alpha=6.0, targets=("query", "value", "down")),
    "prefix": PrefixTuning(length=3),
    "soft_prompt": SoftPrompt(length=4),
}
# Two labels of two and three tokens; the second token of one is the third of the other.
LABELS = Labels(np.array([[5, 7, 0], [6, 9, 7]], np.int32), np.array([2, 3], np.int32))
ANSWERER = LabelAnswerer(LabelTexts(LABELS, np.arange(2), *[np.ones(2, np.int32)] * 2))
WORDS = Words(("5 7", "6 9 7"), lambda text: [int(word) for word in text.split()])
FRAME = prompt_frame([3, 4, 8])
ONE = Devices(count=1)


def fit_members(program, members, devices: Devices = ONE, **options) -> list[Outcome]:
    """`fit` by the accuracy of choosing among `LABELS`."""
    return fit(program, members, FitOptions(devices, ANSWERER, "accuracy", **options))


def predictor(model, devices: Devices = ONE) -> Predictor:
    """In float32."""
    return Predictor(model, devices, jax.numpy.float32)


def decoder(**changes) -> tuple[Decoder, Leaves]:
    """A decoder and parameters large enough that attention is far from uniform."""
    switches = VARIANTS[changes.get("model_type", "llama")].switches
    model = Decoder(DecoderConfig(**{**CONFIG, **switches, **changes}))
    draw = np.random.default_rng(0)
    params = {}
    for path, shape in sorted(shapes(model).items()):
        noise = draw.normal(size=shape).astype(np.float32) * 0.3
        params[path] = jax.numpy.asarray(1 + noise if path.endswith("scale") else noise)
    return model, params


def with_method(method: Method, params: Leaves, moved: float = 0.1) -> Leaves:
    """The backbone's leaves and the method's, these moved off their start so that all matter."""
    added = add(method, jax.random.PRNGKey(1), params, WORDS)
    keys = jax.random.split(jax.random.PRNGKey(2), len(added) + 1)
    return params | {
        path: leaf + moved * jax.random.normal(key, leaf.shape)
        for (path, leaf), key in zip(added.items(), keys, strict=False)
    }


def hyper(method: Method, learning_rate: float = 0.01, weight_decay: float = 0.0) -> Hyper:
    """Traced hyper-parameters of one method."""
    traced = jax.tree.map(np.float32, method)
    return Hyper((traced,), np.float32(learning_rate), np.float32(weight_decay))


def encoded(examples: int, seed: int = 0, width: int = 14) -> Encoded:
    """Random prompts whose first token decides which of `LABELS` follows."""
    draw = np.random.default_rng(seed)
    tokens = np.zeros((examples, width), np.int32)
    start = draw.integers(4, width - 3, examples).astype(np.int32)
    label = draw.integers(0, 2, examples).astype(np.int32)
    length = start + LABELS.length[label]
    for i in range(examples):
        tokens[i, : start[i]] = draw.integers(10, 23, start[i])
        tokens[i, 0] = 1 + label[i]
        tokens[i, start[i] : length[i]] = LABELS.tokens[label[i], : LABELS.length[label[i]]]
    return Encoded(tokens, length.astype(np.int32), start, label, cut=0)


def batch(size: int, seed: int = 0, width: int = 14) -> Rows:
    """One batch of `encoded` examples."""
    return batch_rows(encoded(size, seed, width), np.arange(size), size, width, 3)


@partial(jax.jit, static_argnums=0)
def scored(model, methods, leaves, rows, frame=FRAME, labels=LABELS) -> jax.Array:
    """`label_scores`, compiled."""
    return label_scores(Adapted(model, methods, leaves), rows, frame, labels)


@partial(jax.jit, static_argnums=0)
def loss_sum(model, methods, leaves, rows, frame=FRAME) -> jax.Array:
    """The objective before it is divided by the number of target tokens."""
    logprobs, counted = target_logprobs(Adapted(model, methods, leaves), rows, frame)
    return -jax.numpy.where(counted, logprobs, 0.0).sum()


@partial(jax.jit, static_argnums=0)
def all_logprobs(model, params, inputs) -> jax.Array:
    """log softmax [T, V] of one row of ids [T] or embeddings [T, D], by one plain forward pass."""
    nested = {"params": unflatten_dict(params, sep="/")}
    positions = jax.numpy.arange(len(inputs))[None]
    hidden, _ = model.apply(nested, inputs[None], positions, positions >= 0)
    return jax.nn.log_softmax(model.apply(nested, hidden, method="logits")[0])


def text_loss_of(model, params, texts, before) -> float:
    """-log p summed over all tokens but each text's first, over their number; `before`: [P, D]."""
    total, count = 0.0, 0
    table = np.asarray(params["embed/embedding"])
    for text in texts:
        inputs = np.concatenate([before, table[text]])
        logprobs = np.asarray(all_logprobs(model, params, jax.numpy.asarray(inputs)), np.float64)
        for place in range(1, len(text)):
            total -= logprobs[len(before) + place - 1, text[place]]
            count += 1
    return total / count
