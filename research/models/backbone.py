"""A pretrained model and its tokenizer, from and to folders in Hugging Face format."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh

from research.common.errors import InputError, check_choice
from research.common.files import whole_folder
from research.common.json_io import read_json, write_json
from research.common.tokenizer import Tokenizer
from research.models import MODELS
from research.models.checkpoint.files import INDEX, SINGLE, files_checksum, weight_files
from research.models.checkpoint.folder import find_file, find_folder
from research.models.checkpoint.generation_config import default_generation, end_ids
from research.models.checkpoint.tokenizer_files import (
    drop_added_tokens,
    read_tokenizer,
    write_tokenizer,
)
from research.models.checkpoint.weights import Leaves, read_weights, tensor_names, write_shards
from research.models.model import Model

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Backbone:
    """A pretrained model.

    Attributes:
        name: a folder or hub id.
        model: the Flax module.
        params: its leaves; with `head:...` if the checkpoint has a classification head.
        context: maximum number of positions; None for no limit.
        checksum: sha256 over config.json, the safetensors files and tokenizer.json.
        ends: ids that end a generated text, from generation_config.json.
    """

    name: str
    model: Model
    params: Leaves
    context: int | None
    checksum: str
    ends: tuple[int, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of parameters, with those of its classification head."""
        return sum(leaf.size for leaf in self.params.values())


def load_backbone(name: str, dtype: Any = jnp.float32, mesh: Mesh | None = None) -> Backbone:
    """The model in a folder or under a hub id.

    Args:
        name: the folder or hub id.
        dtype: type of the parameters.
        mesh: with axes data and fsdp; each device gets only its part of the parameters.

    Raises InputError for a name that is neither, a model type or option that is not supported and
    weights that do not fit the config.
    """
    folder = find_folder(name)
    model = model_of(_config(folder), folder)
    params = read_weights(folder, model.KEY_MAP, _stored(model), jnp.dtype(dtype), mesh)
    files = [folder / "config.json", *weight_files(folder), folder / "tokenizer.json"]
    context, ends = model.config.context, end_ids(name, model.config.vocab_size)
    return Backbone(name, model, params, context, files_checksum(files), ends)


def load_model(name: str) -> Model:
    """The model in a folder or under a hub id, from its config.json, without weights.

    Raises InputError as `load_backbone` does.
    """
    folder = find_folder(name, ["config.json"])
    weights = any((folder / file).is_file() for file in (SINGLE, INDEX))
    return model_of(_config(folder), folder if weights else None)


def model_of(fields: Mapping[str, Any], folder: Path | None = None) -> Model:
    """The model of a config.json's fields.

    Args:
        fields: the fields of a config.json.
        folder: of the checkpoint, whose tensors tell which heads the model has; None to take the
            class in `architectures` for it.

    Raises InputError for a setting that is not supported.
    """
    kind: Any = fields.get("model_type")
    check_choice("model_type", kind, MODELS)
    family = MODELS[kind]
    return family.from_hf(fields, () if folder is None else tensor_names(folder, family.KEY_MAP))


def save_backbone(
    folder: str | Path,
    model: Model,
    params: Mapping[str, Any],
    tokenizer: Tokenizer | None = None,
    dtype: Any = jnp.float32,
    shard_bytes: int = 5 * 10**9,
    generation: Mapping[str, Any] | None = None,
) -> None:
    """Writes a folder that `load_backbone` and transformers can load: all of it, or nothing.

    Args:
        folder: to write; it must be empty or not exist.
        model: the Flax module.
        params: its leaves, with those of its classification head if it has one.
        tokenizer: None to write none.
        dtype: float32, float16 or bfloat16.
        shard_bytes: maximum bytes of weights in one file.
        generation: fields of generation_config.json, of a model that generates; None for the ids
            of special tokens alone.

    Raises InputError if the folder is not empty, or if `params` are not exactly the leaves of
    `model` and of its classification head.
    """
    dtype = jnp.dtype(dtype)
    if dtype.name not in DTYPES:
        raise InputError("dtype", dtype.name, f"allowed are {', '.join(DTYPES)}")
    _check_leaves(params, _stored(model))
    with whole_folder(folder) as work:
        # The config's ids overwrite the tokenizer's: RoBERTa's positions depend on its padding id.
        fields = {**_special_tokens(tokenizer), **model.to_hf(), "dtype": dtype.name}
        write_json(work / "config.json", fields)
        write_shards(work, model.KEY_MAP, params, dtype, shard_bytes)
        if tokenizer is not None:
            write_tokenizer(work, tokenizer)
        if model.ROUTE != "masked":
            generation = default_generation(fields) if generation is None else generation
            write_json(work / "generation_config.json", generation)


def load_tokenizer(name: str, model: Model) -> Tokenizer:
    """The fast tokenizer of a folder or hub id.

    Added tokens that `model` cannot embed, such as a padding token, are no tokens: a text that has
    one is tokenized as its characters. Raises InputError if there is no tokenizer.json, or if it
    has other ids that `model` cannot embed.
    """
    folder = find_folder(name)
    why = "a fast tokenizer is needed; AutoTokenizer.from_pretrained and save_pretrained make one"
    find_file(folder, "tokenizer.json", why)
    tokenizer = read_tokenizer(folder)
    drop_added_tokens(tokenizer, model.config.vocab_size)
    ids = max(tokenizer.get_vocab().values(), default=-1) + 1
    if ids > model.config.vocab_size:
        allowed = f"the model embeds {model.config.vocab_size} ids, the tokenizer has {ids}"
        raise InputError("tokenizer", str(folder), allowed)
    return tokenizer


def random_params(model: Model, key: jax.Array) -> Leaves:
    """Randomly initialized float32 parameters of a model."""
    tokens = jnp.zeros((1, 1), jnp.int32)
    params = model.init(key, tokens, tokens, jnp.ones((1, 1), bool))["params"]
    return cast(Leaves, flatten_dict(params, sep="/"))


def shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """The shape of every leaf of a model, without those of a classification head."""
    leaves = jax.eval_shape(lambda: random_params(model, jax.random.key(0)))
    return {path: leaf.shape for path, leaf in leaves.items()}


def _config(folder: Path) -> dict[str, Any]:
    return read_json(find_file(folder, "config.json", "a model's folder has one"))


def _stored(model: Model) -> dict[str, tuple[int, ...]]:
    return {**shapes(model), **model.head_shapes()}


def _check_leaves(params: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> None:
    actual = {path: tuple(leaf.shape) for path, leaf in params.items()}
    wrong = sorted(set(actual.items()) ^ set(expected.items()))
    if wrong:
        allowed = "exactly the model's leaves, with their shapes, are expected"
        raise InputError("params", [path for path, _ in wrong], allowed)


def _special_tokens(tokenizer: Tokenizer | None) -> dict[str, int | None]:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name, None) for name in names}
