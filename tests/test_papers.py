"""The configs of papers: their counts, and that they run."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from research.methods.method import add
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import load_backbone
from research.sweeps.experiment import Experiment
from research.sweeps.forecast import Forecast, forecast
from research.sweeps.ledger import Ledger
from research.sweeps.record import Record
from research.sweeps.trained import load_trained
from tests import checkpoints, films
from tests.methods.test_published_counts import LORA, LORA_NOMINAL, PROMPTS
from tests.thorough import cases
from tests.tiny import WORDS

# Lester et al. 2021, table 4: parameters of T5 1.1 with a prompt of length 1, less the prompt.
TOTALS = {
    "small": 76_961_664 - 512,
    "base": 247_578_624 - 768,
    "large": 783_151_104 - 1024,
    "xl": 2_849_759_232 - 2048,
    "xxl": 11_135_336_448 - 4096,
}
SPECIAL = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "cls": "<cls>", "sep": "<sep>"}


def config_of(paper: str, argument: str) -> dict[str, Any]:
    return importlib.import_module(f"configs.{paper}").get_config(argument).to_dict()


def planned(paper: str, argument: str) -> Forecast:
    """Neither weights nor data are fetched."""
    return forecast(Experiment.parse(config_of(paper, argument)), Path("nowhere"))


def trained(found: Forecast) -> dict[str, set[int]]:
    return {
        row.approach: {size.trained - size.head for size in row.sizes}
        for row in found.rows
        if row.sizes
    }


@pytest.mark.parametrize("size", cases(TOTALS, {"base"}))
def test_prompts_by_length_as_published(size: str):
    found = planned("lester2021", f"{size},length")
    assert found.parameters == TOTALS[size]
    published = PROMPTS[size][1]
    expected = {f"length {length}": {published[length]} for length in (1, 5, 20, 100, 150)}
    assert trained(found) == expected
    for row in found.rows[:5]:  # six tasks, three seeds, one program
        assert (row.runs, len(row.programs)) == (18, 1)


def test_the_starts_of_a_prompt_share_no_program():
    """Where a prompt starts is compiled in, though it need not be; the tasks share it."""
    found = planned("lester2021", "small,start")
    assert trained(found) == dict.fromkeys(
        ("start: uniform", "start: vocabulary", "start: labels"), {51_200}
    )
    assert len(frozenset().union(*(row.programs for row in found.rows))) == 3


@pytest.mark.parametrize("size", ["base", "large"])
def test_lora_on_roberta_as_published(size: str):
    published = LORA[f"RoBERTa {size}, table 2"][-2]
    assert trained(planned("hu2021_lora", f"{size},mnli")) == {"LoRA + head": {published}}


@pytest.mark.parametrize(
    "task, steps", [("mrpc", 30 * 230), ("rte", 80 * 78), ("mnli", 30 * 24_544)]
)
def test_epochs_as_steps(task: str, steps: int):
    schedule = config_of("hu2021_lora", f"base,{task}")["schedule"]
    assert schedule["steps"] == steps == schedule["eval_every"] * schedule["patience"]


@pytest.mark.parametrize("paper, argument", [("lester2021", "huge"), ("hu2021_lora", "base,stsb")])
def test_other_arguments_are_refused(paper: str, argument: str):
    with pytest.raises(KeyError, match=f"'{argument}' is no size and .*: .*allowed are"):
        config_of(paper, argument)


@pytest.mark.parametrize("size, row", [("medium", 0), ("large", 1)])
def test_lora_on_gpt2_as_published(size: str, row: int):
    """The formula's count; table 3 prints a tenth of a percent of the model, and "26K steps"."""
    name = f"GPT-2 {size}, table 3"
    found = planned("hu2021_lora", f"{size},e2e")
    assert trained(found) == {"LoRA": {LORA_NOMINAL[name][-2]}}
    assert found.parameters == (354_823_168, 774_030_080)[row]
    assert config_of("hu2021_lora", f"{size},e2e")["schedule"]["steps"] == 26_290


def write_backbone(folder: Path, patch: pytest.MonkeyPatch, variant: str, **changes: int) -> None:
    """A random checkpoint of the family of a variant."""
    patch.setitem(checkpoints.VARIANTS, "changed", {**checkpoints.VARIANTS[variant], **changes})
    checkpoints.write(folder / "backbone", "changed")


def write_task(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """The task with tiny files in place of the hub's data."""
    columns, labels = list(task["text"]), list(task["verbalizer"])
    for split, (begin, end) in {"train": (0, 24), "test": (24, 30)}.items():
        rows = [
            "\t".join([*(f"word {column} {i}" for column in columns), labels[i % len(labels)]])
            for i in range(begin, end)
        ]
        file = folder / f"{task['name']}_{split}.tsv"
        file.write_text("\n".join(["\t".join([*columns, "label"]), *rows]) + "\n")
        task = {**task, split: str(file)}
    return {name: value for name, value in task.items() if name not in ("path", "config_name")}


def write_tokenizer(folder: Path, words: Iterable[str]) -> None:
    """Of whole words."""
    listed = ["[UNK]", *SPECIAL.values(), *sorted({"word", ":", *words, *map(str, range(30))})]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(listed)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {f"{name}_token": token for name, token in SPECIAL.items()}
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **named).save_pretrained(
        folder
    )


def shrunk(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The experiment on a random backbone of its family, and one step of it."""
    return {
        **config,
        "backbone": str(folder / "backbone"),
        "regimes": ("8",),
        "seeds": 1,
        "search_seeds": 1,
        "max_dev": 4,
        "devices": {"count": 1},
        "schedule": {**config["schedule"], "steps": 1, "batch_size": 4},
    }


def on_tiny_files(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same with the last of its tasks, on tiny data."""
    *_, task = [config.pop("task")] if "task" in config else config.pop("tasks")
    write_tokenizer(folder / "backbone", (*task["text"], *task["verbalizer"]))
    return {**shrunk(config, folder), "task": write_task(folder, task)}


def trained_records(folder: Path) -> list[Record]:
    """Those of rows that use the backbone."""
    return [record for record in Ledger(folder).all() if record["backbone"] is not None]


@pytest.mark.thorough
def test_a_step_of_prompt_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Adafactor's first step moves every element by the learning rate, and decay is 1e-5 of it."""
    changes = {"vocab_size": 5003, "num_layers": 1, "num_decoder_layers": 1}
    write_backbone(tmp_path, monkeypatch, "t5 1.1", **changes)
    config = on_tiny_files(config_of("lester2021", "base,start"), tmp_path)
    config |= {"approaches": [config["approaches"][1]], "keep_trained": True}
    [record] = trained_records(films.run(config, tmp_path / "results"))
    assert record["configuration"]["approach"]["stages"][0]["method"]["start"] == "vocabulary"
    assert record["costs"]["trained_params"] == 100 * 16
    found = load_trained(tmp_path / "results", record["run_id"])["soft_prompt:/prompt"]
    params = load_backbone(config["backbone"]).params
    method = SoftPrompt(length=100, common=5000)
    start = add(method, jax.random.PRNGKey(0), params, WORDS)["soft_prompt:/prompt"]
    np.testing.assert_allclose(np.abs(found - (1 - 1e-5) * start), 0.3, rtol=1e-5)


@pytest.mark.thorough
def test_lora_on_texts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Label smoothing, dropout, EOS after a text and beams, all of them at work."""
    write_backbone(tmp_path, monkeypatch, "gpt2", n_layer=1)
    write_tokenizer(tmp_path / "backbone", ("name", "said", "||"))
    config = shrunk(config_of("hu2021_lora", "medium,e2e"), tmp_path)
    for file, (begin, end) in {"train": (0, 24), "dev": (24, 28), "test": (28, 30)}.items():
        rows = [f'"name {i}",said {i} word' for i in range(begin, end)]
        config["task"][file] = f"{file}.csv"
        (tmp_path / f"{file}.csv").write_text("\n".join(["mr,ref", *rows, ""]))
    decoding = {**config["task"]["decoding"], "max_new_tokens": 4, "num_beams": 2}
    config["task"] |= {"folder": str(tmp_path), "decoding": decoding}
    [record] = trained_records(films.run(config, tmp_path / "results"))
    assert record["costs"]["trained_params"] == 4 * (24 + 3 * 24)
    assert record["status"] == "finished" and record["metrics"]["test"]["bleu"] >= 0.0


@pytest.mark.thorough
def test_lora_with_a_head_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_backbone(tmp_path, monkeypatch, "roberta", num_hidden_layers=1)
    config = on_tiny_files(config_of("hu2021_lora", "base,rte"), tmp_path)
    [record] = trained_records(films.run(config, tmp_path / "results"))
    # Rank 8 beside query and value of a layer of width 24; the head has a layer of its own.
    counts = 2 * 8 * (24 + 24) + 24 * 24 + 24 + 2 * 24 + 2
    assert record["costs"]["trained_params"] == counts
    assert record["trial"] == {"learning_rate": 5e-4, "weight_decay": 0.1}
    assert record["metrics"]["test"] is not None
