"""Names of leaves in the Hugging Face checkpoints of a model family."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from research.common.errors import InputError


class Key(NamedTuple):
    """A leaf and its tensor in a checkpoint; `{i}` stands for a layer's number.

    Attributes:
        tensor: name of the tensor.
        leaf: path of the leaf.
        transposed: whether the tensor is the leaf's transpose, as a linear layer's weight
            [out, in] in PyTorch.
    """

    tensor: str
    leaf: str
    transposed: bool = False

    @property
    def module(self) -> str:
        """Name of the module that has the tensor."""
        return self.tensor.rpartition(".")[0]

    def transpose(self, array: Any) -> Any:
        """The leaf for a tensor of the checkpoint, or the tensor for a leaf."""
        return array.T if self.transposed else array

    def transpose_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the leaf for that of the tensor, or of the tensor for that of the leaf."""
        return shape[::-1] if self.transposed else shape

    def at_layer(self, path: str) -> "Key | None":
        """This key with the layer's number in `path`; None if `path` is another leaf."""
        match = re.fullmatch(_pattern(self.leaf), path)
        return match and Key(self.tensor.format(**match.groupdict()), path, self.transposed)


class KeyMap(NamedTuple):
    """The tensors of a model family's checkpoints.

    Attributes:
        keys: of all leaves.
        copies: {tied tensor: original}. A checkpoint may hold the copy beside an equal original, or
            instead of it. A copy that is a leaf of the model is not tied.
        ignored: names of tensors that the model does not read, such as buffers that it computes and
            heads for other objectives.
        base: prefix of the names in a model with a head, absent in the bare model.
        other_heads: names of tensors of heads that are never used. They are ignored, and named once
            to the user.
    """

    keys: tuple[Key, ...]
    copies: Mapping[str, str] = MappingProxyType({})
    ignored: tuple[str, ...] = ()
    base: str = ""
    other_heads: tuple[str, ...] = ()

    def key(self, path: str) -> Key:
        """The key of the leaf at `path`, with its layer's number. Raises InputError if none."""
        keys = (key.at_layer(path) for key in self.keys)
        if key := next(filter(None, keys), None):
            return key
        raise InputError("leaf", path, "it has no name in Hugging Face checkpoints of this model")

    def name(self, stored: str) -> str:
        """The name in `keys` of the tensor `stored` in a checkpoint; an unknown name is unchanged.

        Old checkpoints call the weight and bias of a layer norm gamma and beta.
        """
        modern = re.sub(r"\.beta$", ".bias", re.sub(r"\.gamma$", ".weight", stored))
        spellings = (stored, modern, self.base + stored, self.base + modern)
        return next(filter(self._knows, spellings), stored)

    def ignores(self, name: str) -> bool:
        """Whether `name` is a tensor that the model does not read."""
        return any(re.fullmatch(_pattern(ignored), name) for ignored in self.ignored)

    def _knows(self, name: str) -> bool:
        keys = any(re.fullmatch(_pattern(key.tensor), name) for key in self.keys)
        return keys or name in self.copies or self.ignores(name) or name in self.other_heads


def _pattern(name: str) -> str:
    return re.escape(name).replace(re.escape("{i}"), r"(?P<i>\d+)")
