"""The interface of a method: the leaves it adds and trains, and how they change the backbone.

A backbone never knows how it is adapted. All arrays live in one flat dict of leaves
(`Leaves`): backbone leaves under their own path, a method's leaves under `<name>:<path>`:

    layers_0/attention/query/kernel         of the backbone
    lora:layers_0/attention/query/a         that LoRA adds to this layer
    soft_prompt:/prompt                     that a soft prompt adds to the model as a whole
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from research.models.checkpoint.weights import Array, Leaves

# Learning rates are published for backbones from 110M parameters on, and were tuned here for 0.5M,
# 9M and 23M. This is the geometric mean of 23M and 110M.
LARGE_BACKBONE = 50_000_000


class Words(NamedTuple):
    """Texts of the task from which a method may start.

    Attributes:
        labels: text of each label, in the task's order; of a task without labels, words that it
            names.
        ids: token ids of a text.
        vocabulary: ids [N] of all tokens that are no special tokens; None where the tokenizer is
            not available, for all rows of the embedding table.
        table_scale: factor of the embedding table's rows in the model's input.
    """

    labels: tuple[str, ...]
    ids: Callable[[str], Sequence[int]]
    vocabulary: np.ndarray | None = None
    table_scale: float = 1.0


class LayerCall(NamedTuple):
    """A backbone layer that a method changes.

    Attributes:
        call: the layer itself, `[B, T, D_in] -> [B, T, D_out]`; a pooler's input has no T.
        kernel: its kernel `[D_in, D_out]`.
        keys: one random key per row `[B]` while training, None while evaluating.
    """

    call: Callable[[jax.Array], jax.Array]
    kernel: jax.Array | None
    keys: jax.Array | None


@dataclass(frozen=True)
class Method:
    """A way to adapt a backbone; the default adds and trains nothing.

    Subclasses are frozen dataclasses registered as pytrees (`traced_method`). Fields named there
    are traced, so that one compiled step serves all their values; all others are static.

    Attributes:
        name: in configs, and the prefix of the leaves that it adds.
        family: kind of method, which decides its colour in figures: `soft`, `lora`, `small`,
            `layers`, `full` or `other`.
        is_head: whether it is a classification head, see `Head`.
        neutral: whether the adapted model equals the backbone before the first step.
        training_only: fields that are not read once training is over; adapters that differ in
            them alone can be served by one program.
        peft_type: `peft_type` of the format of Hugging Face PEFT that can hold it; None: none can.
        learning_rates: AdamW learning rates to try on dev where a config names none, for backbones
            of at least `LARGE_BACKBONE` parameters; by default LoRA's.
        small_backbone_factor: how many times larger they are for smaller backbones. Of 0.5M to 23M
            parameters, dev chose about ten times the published rates for full fine-tuning and LoRA
            (results/quickstart_reference, sst2_reviews-lm, minilm_banking77_agnews) and no less for
            other methods (results/methods). Clark et al. 2020 (arXiv 2003.10555, appendix B) have
            three times as much for 14M as for 110M.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "other"
    is_head: ClassVar[bool] = False
    neutral: ClassVar[bool] = True
    training_only: ClassVar[tuple[str, ...]] = ()
    peft_type: ClassVar[str | None] = None
    learning_rates: ClassVar[tuple[float, ...]] = (1e-4, 3e-4, 1e-3)
    small_backbone_factor: ClassVar[float] = 10.0

    @classmethod
    def learning_rates_for(cls, parameters: int) -> tuple[float, ...]:
        """The learning rates to try with a backbone of this many parameters."""
        factor = 1.0 if parameters >= LARGE_BACKBONE else cls.small_backbone_factor
        # Six digits, so that 10 * 3e-5 is the same number as 3e-4.
        return tuple(float(f"{factor * rate:.6g}") for rate in cls.learning_rates)

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """New leaves, as {module path: {leaf name: array}}.

        Those under '' belong to the model as a whole. If the method also adds leaves to layers,
        every such layer sees them beside its own.
        """
        del key, params, words
        return {}

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """Backbone leaves, out of `paths`, that train; the others stay frozen."""
        del paths
        return ()

    def freezes(self, paths: Collection[str]) -> Iterable[str]:
        """Leaves of its own, out of `paths` (`<name>:...`), that stay frozen; the others train."""
        del paths
        return ()

    def penalty(self, added: dict[str, Leaves]) -> jax.Array | None:
        """Scalar [] that training adds to the mean loss of a step; None: nothing.

        It is added once per optimizer step, whatever the batch size, the micro-batches and the
        devices. The reported loss leaves it out.

        Args:
            added: the method's leaves, as `init` returns them.
        """
        del added

    def rate(self, path: str) -> ArrayLike | None:
        """Factor on the stage's learning rate for a leaf of its own; None: 1."""
        del path

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        """Output of the layer at `site` for `x` [B, T, D_in], changed by the leaves added there."""
        del leaf
        return site.call(x)

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves | None:
        """The backbone's leaves of a layer, `kernel` [D_in, D_out] and perhaps `bias` [D_out],
        changed so that the layer alone computes what it computes with `leaf`; None: impossible.
        """
        del leaf, layer

    def stored(self, leaf: Leaves) -> Leaves:
        """The part of the leaves added to one layer that is stored after training."""
        return leaf

    def redrawn(self, params: Leaves) -> dict[str, Leaves]:
        """Leaves that `stored` leaves out because they follow from the settings and the shapes of
        the backbone alone; in the form of `init`.
        """
        del params
        return {}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves | None:
        """Leaves of the larger `shapes`, by leaf name, that compute the same as `leaf`, so that
        adapters of several sizes can be stacked; None: only equal shapes stack.
        """
        del leaf, shapes

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that its leaves start from; their content is part of a run's id."""
        return ()

    @property
    def positions(self) -> int:
        """Number of positions of the context that it takes."""
        return 0

    def prefix(self, leaf: Leaves) -> Array | None:
        """Embeddings [P, D] that stand before every row; None: none."""
        del leaf
        return None

    def memory(self, leaf: Leaves) -> tuple[Array, Array] | None:
        """Keys and values, each [L, P, G * K], that stand before those of L layers; None: none."""
        del leaf
        return None


def traced_method(*traced: str) -> Callable[[type], type]:
    """Class decorator: registers a dataclass as a pytree whose `traced` fields are its leaves."""

    def register(cls: type) -> type:
        static = [f.name for f in fields(cls) if f.name not in traced]
        return jax.tree_util.register_dataclass(cls, data_fields=list(traced), meta_fields=static)

    return register
