"""What Hugging Face checkpoints of a family call our leaves."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from research.common.errors import InputError


class Key(NamedTuple):
    """What Hugging Face calls one of our leaves; `{i}` stands for a layer's number."""

    theirs: str
    ours: str
    transposed: bool = False  # torch keeps a linear layer's weight as [out, in]

    def named(self, path: str) -> "Key | None":
        """This key for the leaf at `path`, with its layer's number; None if it is another's."""
        match = re.fullmatch(_pattern(self.ours), path)
        return match and Key(self.theirs.format(**match.groupdict()), path, self.transposed)


class KeyMap(NamedTuple):
    """How a family of models names its tensors.

    copies: {tied tensor: original}; a copy may stand beside the original, if it is equal, or
    instead of it. Where a model has a leaf for the copy, it is not tied. ignored: tensors that the
    model does not read, such as buffers that it computes and heads for other objectives. base: what
    the names of a model with a head begin with, and those of the bare model do not.
    """

    keys: tuple[Key, ...]
    copies: Mapping[str, str] = MappingProxyType({})
    ignored: tuple[str, ...] = ()
    base: str = ""

    def key(self, path: str) -> Key:
        """The key of the leaf at `path`, with its layer's number. Raises InputError if none."""
        named = (key.named(path) for key in self.keys)
        if found := next(filter(None, named), None):
            return found
        raise InputError("leaf", path, "it has no name in Hugging Face checkpoints of this model")

    def name(self, stored: str) -> str:
        """Our spelling of the name that a checkpoint gives a tensor; unknown ones stay as they are.

        Old checkpoints call the weight and bias of a layer norm gamma and beta.
        """
        modern = re.sub(r"\.beta$", ".bias", re.sub(r"\.gamma$", ".weight", stored))
        spellings = (stored, modern, self.base + stored, self.base + modern)
        return next(filter(self._knows, spellings), stored)

    def ignores(self, name: str) -> bool:
        """Whether a tensor is one that the model does not read."""
        return any(re.fullmatch(_pattern(ignored), name) for ignored in self.ignored)

    def _knows(self, name: str) -> bool:
        keys = any(re.fullmatch(_pattern(key.theirs), name) for key in self.keys)
        return keys or name in self.copies or self.ignores(name)


def _pattern(name: str) -> str:
    return re.escape(name).replace(re.escape("{i}"), r"(?P<i>\d+)")
