"""Files of a tokenizer, as both transformers 4 and transformers 5 read them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from research.common.errors import InputError
from research.common.json_io import read_json, write_json
from research.common.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

CONFIG = "tokenizer_config.json"
# The class that reads a tokenizer.json as it is. Transformers 5 calls it TokenizersBackend, which
# transformers 4 does not know, and reads this name as well.
PLAIN_CLASS = "PreTrainedTokenizerFast"
# Fields that both versions read. Transformers 5 writes others, such as how it loaded the file.
FIELDS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "model_max_length",
    "padding_side",
    "truncation_side",
    "clean_up_tokenization_spaces",
    "split_special_tokens",
    "chat_template",
)

# Special tokens that rows are built with; they are padded by the mask alone.
USED = ("bos", "eos", "unk", "sep", "cls", "mask")


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Writes a fast tokenizer that gives the same ids in transformers 4 and 5.

    Its class reads tokenizer.json unchanged. Classes of single models, such as LlamaTokenizer,
    rebuild a part of it, in another way in each version.
    """
    tokenizer.save_pretrained(folder)
    written = read_json(folder / CONFIG)
    fields = {name: written[name] for name in FIELDS if name in written}
    fields["clean_up_tokenization_spaces"] = bool(tokenizer.clean_up_tokenization_spaces)
    fields["model_input_names"] = list(tokenizer.model_input_names)
    # Transformers 5 calls them extra_special_tokens, which in 4 is an object.
    for name in ("additional_special_tokens", "extra_special_tokens"):
        if isinstance(written.get(name), list):
            fields["additional_special_tokens"] = written[name]
    fields["tokenizer_class"] = PLAIN_CLASS
    write_json(folder / CONFIG, fields)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of a folder. Raises InputError for files that cannot be read."""
    try:
        return _tokenizer_class(folder).from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise InputError("tokenizer", str(folder), f"it cannot be read ({error})") from error


def _tokenizer_class(folder: Path) -> "type[PreTrainedTokenizerFast] | type[AutoTokenizer]":
    """PreTrainedTokenizerFast if the folder names it, else AutoTokenizer.

    AutoTokenizer takes 3 s where PyTorch is installed, which it imports; the class takes 0.01 s.
    """
    import transformers

    config = folder / CONFIG
    name = read_json(config).get("tokenizer_class") if config.is_file() else None
    # Transformers 5 writes another name of the class.
    plain = name in ("PreTrainedTokenizerFast", transformers.PreTrainedTokenizerFast.__name__)
    return transformers.PreTrainedTokenizerFast if plain else transformers.AutoTokenizer


def drop_added_tokens(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Removes the added tokens of a fast tokenizer that a table of `vocab_size` rows lacks.

    If one of them is in `USED`, such as EOS, all stay; the check of the number of ids reports it.
    """
    added = cast(Any, tokenizer).get_added_vocab()
    surplus = {token for token, id in added.items() if id >= vocab_size}
    used = {getattr(tokenizer, f"{name}_token") for name in USED}
    if not surplus or not surplus.isdisjoint(used):
        return
    fast = cast(Any, tokenizer)
    state = json.loads(fast.backend_tokenizer.to_str())
    tokens = [token for token in state["added_tokens"] if token["content"] not in surplus]
    state["added_tokens"] = tokens
    fast._tokenizer = type(fast.backend_tokenizer).from_str(json.dumps(state))
    if tokenizer.pad_token in surplus:
        fast.pad_token = None
