"""Soft prompt: trained embeddings that stand before every row."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from research.common.errors import LARGEST, InputError, check_whole
from research.common.paths import resolve_path
from research.methods.method import Array, Leaves, Method, Words, traced_method
from research.methods.shared.prompt_file import prompt_files, read_prompt


@traced_method()
@dataclass(frozen=True)
class SoftPrompt(Method):
    """`length` trained vectors [P, D] in front of the embedded prefix and row.

    Lester et al. 2021 (arXiv 2104.08691), section 2.

    Learning rates: up to the 0.3 of the paper's Adafactor; the others are ours, as they were chosen
    in results/quickstart_reference and sst2_reviews-lm. Gu et al. 2022 (arXiv 2109.04332) have 5e-2
    with Adam. The backbone's size does not change them: the paper has 0.3 from 77M to 11B.

    Attributes:
        length: P.
        start: as in section 3.2. `vocabulary`: the embeddings of random tokens, no token twice and
            no special token. `uniform`: in +-0.5 (the authors' code: from 0 to 0.5). `labels`: the
            mean embedding of each label's tokens, or of each word that a task without labels names,
            then as `vocabulary`. `text`: the embeddings of a text's tokens, repeated or cut to the
            length, as in PEFT. `file`: a prompt trained before on another task (SPoT, Vu et al.
            2022, arXiv 2110.07904, section 2).
        common: ids below it are drawn from by `vocabulary` (the paper has 5,000 of a table sorted
            by frequency); None: all ids.
        text: the text of the start `text`.
        file: of the start `file`: a .npy file, the .safetensors of a run or a folder of PEFT.
    """

    name: ClassVar[str] = "soft_prompt"
    family: ClassVar[str] = "soft"
    neutral: ClassVar[bool] = False
    peft_type: ClassVar[str | None] = "PROMPT_TUNING"
    learning_rates: ClassVar[tuple[float, ...]] = (3e-2, 1e-1, 3e-1)
    small_backbone_factor: ClassVar[float] = 1.0
    length: int = 20
    start: Literal["vocabulary", "uniform", "labels", "text", "file"] = "vocabulary"
    common: int | None = None
    text: str | None = None
    file: str | None = None

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for invalid numbers, a missing text and a task without labels."""
        check_whole("soft_prompt.length", self.length, most=LARGEST)
        table = jnp.asarray(params["embed/embedding"])
        if words.table_scale != 1.0:
            table = table * words.table_scale
        if self.start == "file":
            return {"": {"prompt": jnp.asarray(self._read(table.shape[1]))}}
        if self.start == "uniform":
            shape = (self.length, table.shape[1])
            return {"": {"prompt": jax.random.uniform(key, shape, minval=-0.5, maxval=0.5)}}
        if self.start == "text":
            if not (self.text or "").strip():
                raise InputError("soft_prompt.text", self.text, "the start 'text' needs one")
            tokens = self._tokens(table, words, self.text or "")
            return {"": {"prompt": tokens[jnp.arange(self.length) % len(tokens)]}}
        if self.start == "vocabulary":
            return {"": {"prompt": self._drawn(key, table, words, self.length)}}
        if not words.labels:
            allowed = "the task has no labels, and names no words, to start from"
            raise InputError("soft_prompt.start", "labels", allowed)
        texts = words.labels[: self.length]
        means = jnp.stack([self._tokens(table, words, text).mean(axis=0) for text in texts])
        rest = self._drawn(key, table, words, self.length - len(texts))
        return {"": {"prompt": jnp.concatenate([means, rest])}}

    @property
    def sources(self) -> tuple[Path, ...]:
        """Raises InputError for a file without its start, or the other way round."""
        if (self.file is None) == (self.start == "file"):
            allowed = "the start 'file', and no other, takes a file or folder with a prompt"
            raise InputError("soft_prompt.file", self.file, allowed)
        if self.file is None:
            return ()
        field = "soft_prompt.file"
        return prompt_files(Path(resolve_path(self.file, field)), field)

    @property
    def positions(self) -> int:
        return self.length

    def prefix(self, leaf: Leaves) -> Array:
        return leaf["prompt"]

    def _read(self, width: int) -> np.ndarray:
        field, file = "soft_prompt.file", self.file or ""
        prompt = read_prompt(Path(resolve_path(file, field)), field)
        if prompt.shape != (self.length, width):
            allowed = (
                f"it has {prompt.shape[0]} vectors of width {prompt.shape[1]}, soft_prompt.length "
                f"is {self.length} and the backbone embeds in {width} dimensions"
            )
            raise InputError(field, file, allowed)
        return prompt

    def _drawn(self, key: jax.Array, table: jax.Array, words: Words, count: int) -> jax.Array:
        """Embeddings [count, D] of tokens of the vocabulary, drawn without replacement."""
        size = len(table)
        if self.common is not None and not 1 <= self.common <= size:
            allowed = f"a whole number from 1 to {size}, the vocabulary, is expected"
            raise InputError("soft_prompt.common", self.common, allowed)
        ids = np.arange(size) if words.vocabulary is None else words.vocabulary
        ids = ids[ids < (self.common or size)]
        if count > len(ids):
            allowed = f"{len(ids)} tokens can be drawn, without special tokens and each once"
            raise InputError("soft_prompt.length", self.length, allowed)
        return table[jax.random.choice(key, jnp.asarray(ids), (count,), replace=False)]

    def _tokens(self, table: jax.Array, words: Words, text: str) -> jax.Array:
        """Embeddings [T, D] of a text's tokens."""
        ids = words.ids(text)
        if not ids:
            allowed = "the tokenizer makes no tokens of it, so there is nothing to start from"
            raise InputError(f"soft_prompt.start={self.start}", text, allowed)
        return table[jnp.asarray(ids, jnp.int32)]
