"""A tiny backbone, a tiny task, and an experiment on them that runs in seconds."""

import csv
import io
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from research.experiments.experiment import Experiment
from research.models.backbone import random_params, save_backbone
from research.models.llama.model import Decoder, DecoderConfig
from research.reporting.build import write_tables
from research.sweeps.sweep import sweep
from tests.tasks.encoders import put_first

WORDS = {
    "good": ("great", "lovely", "fine", "bright", "warm"),
    "bad": ("dull", "awful", "weak", "grim", "cold"),
}


def films(begin: int, end: int) -> list[tuple[str, str]]:
    """(text, label) number `begin` to `end`, the classes in turn, no text twice."""
    found = []
    for i in range(begin, end):
        label = ("good", "bad")[i % 2]
        found.append((f"a {WORDS[label][i % 5]} film {i}", label))
    return found


def write_csv(path: Path, rows: list[tuple[str, str]]) -> str:
    """A file with the columns text and label; returns its path."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that knows the films, and puts BOS before a text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    bpe.train_from_iterator([f"{text}\nVerdict: {end}\n" for text, end in films(0, 40)], trainer)
    put_first(bpe, "<s>")
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")


# A chat template of which a tiny tokenizer knows the special tokens.
CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def write_backbone(
    folder: Path, context: int = 64, chat_template: str | None = None, layers: int = 1
) -> None:
    """A random decoder and that tokenizer."""
    known = tokenizer()
    known.chat_template = chat_template
    size = dict(width=16, layers=layers, heads=2, kv_heads=1, head_width=8, hidden=16)
    config = DecoderConfig(vocab_size=len(known), context=context, tied=True, **size)
    model = Decoder(config)
    save_backbone(folder, model, random_params(model, jax.random.key(0)), known)


def write_inputs(folder: Path) -> Path:
    """Fills the folder with a backbone, train.csv and test.csv."""
    write_backbone(folder / "backbone")
    write_csv(folder / "train.csv", films(0, 40))
    write_csv(folder / "test.csv", films(40, 48))
    return folder


def settings(folder: Path) -> dict[str, Any]:
    """The plain data of a config: two prompts and LoRA on what lies in `folder`."""
    lora = {"name": "lora", "rank": 2, "targets": ("query", "value", "down")}
    rates = [{"learning_rate": rate} for rate in (0.01, 0.1, 1.0)]
    draws, fixed = [{"draw": 0}, {"draw": 1}], {"scoring": "fixed"}
    return {
        "name": "tiny",
        "backbone": str(folder / "backbone"),
        "task": {
            "source": "file",
            "name": "films",
            "train": str(folder / "train.csv"),
            "test": str(folder / "test.csv"),
            "templates": ("{text}\nVerdict:", "Film: {text}\nVerdict:"),
        },
        "regimes": ("4-shot",),
        "seeds": 3,
        "search_seeds": 2,
        "schedule": {"steps": 4, "batch_size": 4, "eval_every": 2},
        "devices": {"count": 1},
        "approaches": [
            {"name": "zero-shot", "trials": "templates", **fixed},
            {"name": "few-shot", "demonstrations": "fit", "trials": draws, **fixed},
            {"name": "LoRA", "stages": [{"method": lora}], "trials": rates},
        ],
    }


def run(config: dict[str, Any], folder: Path) -> Path:
    """Sweeps and writes the tables; returns the folder."""
    sweep(Experiment.parse(config), folder, Console(file=io.StringIO()))
    write_tables(folder)
    return folder
