"""The type of a Hugging Face tokenizer, without importing transformers at run time (0.5 s)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer
else:
    Tokenizer = Any
