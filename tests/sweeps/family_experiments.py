"""Experiments on tiny checkpoints of every model family."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from research.records.schema import RunRecord
from research.records.store import RunStore
from tests import checkpoints, films
from tests.tasks.encoders import put_first

SPECIAL = {"bos": "<s>", "eos": "</s>", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


def write_tokenizer(folder: Path, **special: str) -> None:
    """A tokenizer of whole words, with the special tokens that are named."""
    words = ["[UNK]", *SPECIAL.values(), "a", "film", "It", "was", "good", "bad", "very"]
    words += [word for group in films.WORDS.values() for word in group]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if "bos" in special:
        put_first(backend, special["bos"])
    named = {f"{name}_token": token for name, token in special.items()}
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **named).save_pretrained(
        folder
    )


def prepared(folder: Path, variant: str, special: tuple[str, ...], approaches: list) -> dict:
    """The plain data of an experiment on that variant."""
    checkpoints.write(folder / "backbone", variant)
    write_tokenizer(folder / "backbone", **{name: SPECIAL[name] for name in special})
    films.write_csv(folder / "train.csv", films.films(0, 40))
    films.write_csv(folder / "test.csv", films.films(40, 48))
    config: dict[str, Any] = films.settings(folder)
    config["task"]["templates"] = ("{text} It was", "a {text} film")
    # The second label is a text of two tokens.
    config["task"]["verbalizer"] = {"good": "good", "bad": "very bad"}
    return {**config, "seeds": 1, "search_seeds": 1, "approaches": approaches}


def trained(name: str, *methods: dict) -> dict:
    return {"name": name, "stages": [{"methods": list(methods)}], "trials": [{}]}


def by_row(folder: Path) -> dict[str, RunRecord]:
    """The tested run of each row, which has one seed."""
    tested = [record for record in RunStore(folder).all() if record.tested]
    return {record.approach: record for record in tested}
