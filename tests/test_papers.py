"""The configs of papers: their counts, and that they run."""

import importlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.methods.head import Head
from research.methods.shared.leaves import add
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import load_backbone
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.records.weights import load_trained
from research.runs.stage_cache import StageCache
from research.sweeps.dry_run.dry_run import DryRun, plan_only
from research.tasks import TASKS
from research.tasks.encoding.tokenization import plain_vocabulary
from research.training.optimizer import learning_rate_at
from tests import checkpoints, films
from tests.published_counts import LORA, LORA_NOMINAL, PROMPTS
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


MANY = tuple(map(str, range(30, 140)))  # words enough for a prompt of 100 different tokens


def config_of(paper: str, argument: str) -> dict[str, Any]:
    return importlib.import_module(f"configs.{paper}").get_config(argument).to_dict()


def planned(paper: str, argument: str) -> DryRun:
    """Neither weights nor data are fetched."""
    return plan_only(Experiment.parse(config_of(paper, argument)), Path("nowhere"))


def trained(found: DryRun) -> dict[str, set[int]]:
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
    for row in found.rows[:5]:  # eight tasks, three seeds, one program
        assert (row.runs, len(row.programs)) == (24, 1)


def test_the_starts_of_a_prompt_share_no_program():
    """Where a prompt starts is compiled in, though it need not be; the tasks share it."""
    found = planned("lester2021", "small,start")
    assert trained(found) == dict.fromkeys(
        ("start: uniform", "start: vocabulary", "start: labels"), {51_200}
    )
    assert len(frozenset().union(*(row.programs for row in found.rows))) == 3


@pytest.mark.parametrize("size", ["base", "large"])
@pytest.mark.parametrize(
    "task, outputs", [("mnli", 3), ("stsb", 1), pytest.param("rte", 2, marks=pytest.mark.thorough)]
)
def test_lora_on_roberta_as_published(size: str, task: str, outputs: int):
    """The head of MNLI, from whose LoRA the smaller tasks start, is not theirs."""
    found = planned("hu2021_lora", f"{size},{task}")
    row = "LoRA + head" if task == "mnli" else "LoRA + head, from MNLI"
    assert trained(found) == {row: {LORA[f"RoBERTa {size}, table 2"][-2]}}
    width = {"base": 768, "large": 1024}[size]
    [head] = {of.head for of in found.rows[0].sizes}
    assert head == width * width + width + outputs * width + outputs


def test_the_row_with_a_dagger_starts_from_roberta():
    argument = "large,stsb,dagger"
    published = LORA["RoBERTa large, table 2"][-2]
    assert trained(planned("hu2021_lora", argument)) == {"LoRA + head": {published}}
    assert "stage_tasks" not in config_of("hu2021_lora", argument)


@pytest.mark.parametrize(
    "task, steps", [("mrpc", 30 * 230), ("rte", 80 * 78), ("stsb", 40 * 360), ("mnli", 30 * 24_544)]
)
def test_epochs_as_steps(task: str, steps: int):
    config = config_of("hu2021_lora", f"base,{task}")
    schedule = config["schedule"]
    assert schedule["steps"] == steps == schedule["eval_every"] * schedule["patience"]
    *earlier, _ = config["approaches"][0]["stages"]
    if task == "mnli":
        assert not earlier
    else:
        [first] = Experiment.parse(config).approaches[0].stages[:-1]
        assert (first.task, first.schedule.steps, first.learning_rate) == ("mnli", 736_320, 5e-4)
        assert first.schedule.batch_size == 16 and first.weight_decay == 0.1
        assert first.schedule.warmup_from_zero  # of MNLI too


@pytest.mark.parametrize(
    "argument, warmup",
    [("base,mrpc", 0.06), ("large,rte,dagger", 0.06), ("base,mnli", 0.06), ("medium,e2e", 500)],
)
def test_lora_warms_up_as_transformers_does(argument: str, warmup: float):
    """The rate at each of some steps; a share of the steps is rounded up, as Trainer does."""
    optimization = pytest.importorskip("transformers.optimization")
    schedule = Experiment.parse(config_of("hu2021_lora", argument)).schedule
    rising = math.ceil(warmup * schedule.steps) if warmup < 1 else int(warmup)
    for step in (0, 1, 7, rising - 1, rising, rising + 1, schedule.steps // 2, schedule.steps - 1):
        expected = optimization._get_linear_schedule_with_warmup_lr_lambda(
            step, num_warmup_steps=rising, num_training_steps=schedule.steps
        )
        assert float(learning_rate_at(schedule, 1.0, step)) == pytest.approx(expected, abs=1e-6)


def test_prompt_tuning_has_a_constant_rate():
    for stage in (
        approach.stages[0]
        for approach in Experiment.parse(config_of("lester2021", "base")).approaches
    ):
        steps = (0, 1, stage.schedule.steps - 1)
        assert [float(learning_rate_at(stage.schedule, 0.3, step)) for step in steps] == (
            pytest.approx([0.3] * 3)
        )


GLUE = {
    "mnli": "MNLI",
    "sst2": "SST-2",
    "mrpc": "MRPC",
    "cola": "CoLA",
    "qnli": "QNLI",
    "qqp": "QQP",
    "rte": "RTE",
    "stsb": "STS-B",
}


@pytest.mark.parametrize(
    "size, name",
    [
        ("base", "roberta_base_lora_paper"),
        ("large", "roberta_large_lora_paper"),
        ("large,dagger", "roberta_large_lora_dagger"),
    ],
)
def test_every_task_has_the_recipe_of_the_paper(size: str, name: str, shared: Path):
    size, _, mark = size.partition(",")
    published = json.loads((shared / "published" / "hu2021_lora.json").read_text())
    [recipe] = [one for one in published["recipes"] if one["name"] == name]
    for task, called in GLUE.items():
        config = config_of("hu2021_lora", ",".join(filter(None, (size, task, mark))))
        fields = {field: recipe[field] for field in ("batch", "epochs", "lr", "max_len")}
        expected = [of[called] if isinstance(of, dict) else of for of in fields.values()]
        schedule, row = config["schedule"], config["approaches"][0]
        [trial] = row["trials"]
        found = [schedule["batch_size"], schedule["patience"], trial["learning_rate"]]
        assert [*found, config["max_tokens"]] == expected
        lora = row["stages"][-1]["methods"][1]
        assert (lora["rank"], lora["alpha"]) == (8, recipe["alpha"])
        from_mnli = not mark and called in ("MRPC", "RTE", "STS-B")
        assert (len(row["stages"]) == 2) == from_mnli == ("stage_tasks" in config)
    metrics = {
        task: config_of("hu2021_lora", f"base,{task}")["task"].get("metric") for task in GLUE
    }
    assert {task: metric for task, metric in metrics.items() if metric} == {"cola": "matthews"}


def test_e2e_has_the_recipe_of_the_paper(shared: Path):
    published = json.loads((shared / "published" / "hu2021_lora.json").read_text())
    [paper] = [one for one in published["recipes"] if one["name"] == "gpt2_nlg"]
    config = config_of("hu2021_lora", "medium,e2e")
    schedule, decoding = config["schedule"], config["task"]["decoding"]
    [row] = config["approaches"]
    [trial], method = row["trials"], row["stages"][0]["method"]
    assert (schedule["batch_size"], schedule["patience"]) == (paper["batch"], paper["epochs"])
    assert schedule["warmup"] * schedule["steps"] == pytest.approx(paper["warmup_steps"])
    assert schedule["label_smoothing"] == paper["label_smooth"]["E2E"]
    assert schedule["clip"] is None and paper["clip"] == 0.0
    expected = {"learning_rate": paper["lr"], "weight_decay": paper["weight_decay"]["E2E"]}
    assert trial == expected and method["dropout"] == paper["dropout"]["E2E"]
    assert (method["rank"], method["alpha"]) == (4, paper["alpha"])
    assert decoding == {
        "num_beams": paper["beam"],
        "length_penalty": paper["length_penalty_paper"]["E2E"],
        "no_repeat_ngram_size": paper["no_repeat_ngram"],
        "no_repeat_in_prompt": False,
        "max_new_tokens": paper["eval_len"],
    }
    assert (config["max_tokens"], config["seeds"]) == (paper["seq_len"], 3)


def test_prompt_tuning_has_the_recipe_of_the_paper(shared: Path):
    published = json.loads((shared / "published/lester2021_prompt_tuning.json").read_text())
    named = {one["name"]: one for one in published["recipes"]}
    paper, code = named["prompt_tuning_paper"], named["prompt_tuning_repo_gin"]
    config = config_of("lester2021", "base,length")
    schedule = Experiment.parse(config).approaches[3].stages[0].schedule
    assert (schedule.steps, schedule.batch_size) == (paper["steps"], paper["batch_size"])
    assert schedule.parameter_scale == paper["parameter_scaling"]
    assert (schedule.dropout, config["seeds"]) == (code["dropout"], paper["seeds"])
    assert config["max_tokens"] == code["feature_lengths"]["inputs"]
    [stage] = config["approaches"][3]["stages"]
    assert stage["learning_rate"] == paper["lr"] and stage["method"]["start"] == "labels"
    decay = stage["learning_rate"] * stage["weight_decay"]
    assert decay == pytest.approx(paper["weight_decay"])
    [figure] = [one for one in published["tables"] if one["id"] == "fig3_ablations"]
    lengths = [row["stages"][0]["method"]["length"] for row in config["approaches"]]
    assert lengths == figure["rows"][0][1] and lengths[3] == paper["prompt_length"]
    tuned = Experiment.parse(config_of("lester2021", "base")).approaches[1].stages[0]
    model = named["model_tuning_baseline"]
    assert (tuned.learning_rate, tuned.schedule.dropout) == (model["lr"], model["dropout"])
    assert tuned.schedule.batch_size * config["max_tokens"] == 2**16
    words = {task["name"]: task for task in config["tasks"]}
    assert {"boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"} == words.keys()
    for name, task in (("ReCoRD", "record"), ("WSC", "wsc")):
        listed = ", ".join(TASKS[f"superglue_{task}"](train="", test="").words)
        assert (
            f"{name}: {listed}" in paper["notes"]
            or f"{name} init words: {listed}" in paper["notes"]
        )


@pytest.mark.parametrize(
    "paper, argument",
    [
        ("lester2021", "huge"),
        ("hu2021_lora", "base,wnli"),
        ("hu2021_lora", "base,rte,dagger"),
        ("hu2021_lora", "medium,e2e,dagger"),
        ("hu2021_lora", "large,rte,dagger,more"),
    ],
)
def test_other_arguments_are_refused(paper: str, argument: str):
    with pytest.raises(KeyError, match=f"'{argument}' is no size and .*: .*allowed are"):
        config_of(paper, argument)


# Learning rates of results/sst2_reviews-lm.
COMPARED = {
    "soft prompt": (3e-2, 1e-1, 3e-1),
    "LoRA": (1e-3, 3e-3, 1e-2),
    "last 2 layers": (3e-4, 1e-3, 3e-3),
    "full fine-tuning": (1e-4, 3e-4, 1e-3),
}


def test_the_comparison_has_the_rates_of_its_committed_runs():
    """The rates of the methods for 8.7M parameters give the run ids of these numbers."""
    config = importlib.import_module("configs.compare").get_config().to_dict()
    config["task"] = {"source": "world", "name": "sentiment"}
    explicit = [
        {**row, "trials": [{"learning_rate": rate} for rate in COMPARED[row["name"]]]}
        if row["name"] in COMPARED
        else row
        for row in config["approaches"]
    ]

    def ids(approaches: Any) -> list[str]:
        experiment = Experiment.parse(config | {"approaches": approaches})
        tasks = {task.name: task.load() for task in experiment.tasks}
        plan = cells(experiment, tasks, "checksum", parameters=8_749_120)
        return [run.id for cell in plan for run in cell.search()]

    assert ids(config["approaches"]) == ids(explicit)
    tried: dict[str, set[float]] = {}
    for record in RunStore(Path(__file__).parents[1] / "results/sst2_reviews-lm").all():
        tried.setdefault(record.approach, set()).update(rates(record.configuration.trials))
    assert {row: tuple(sorted(found)) for row, found in tried.items() if found} == COMPARED


def rates(trials: Any) -> set[float]:
    return {trial["learning_rate"] for trial in trials if "learning_rate" in trial}


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
    columns, labels = list(task["text"]), list(task.get("verbalizer") or map(str, range(6)))
    for split, (begin, end) in {"train": (0, 24), "test": (24, 30)}.items():
        rows = [
            "\t".join([*(f"word {column} {i}" for column in columns), labels[i % len(labels)]])
            for i in range(begin, end)
        ]
        file = folder / f"{task['name']}_{split}.tsv"
        file.write_text("\n".join(["\t".join([*columns, "label"]), *rows]) + "\n")
        task = {**task, split: str(file)}
    return {
        name: value for name, value in task.items() if name not in ("path", "config_name", "ood")
    }


def write_superglue(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """The same of a task whose answer is written."""
    one = {"wsc": wsc_row, "record": record_row}[task["name"]]
    for split, (begin, end) in {"train": (0, 24), "test": (24, 30)}.items():
        file = folder / f"{task['name']}_{split}.jsonl"
        file.write_text("\n".join(json.dumps(one(i)) for i in range(begin, end)))
        task = {**task, split: str(file)}
    return {name: value for name, value in task.items() if name != "path"}


def wsc_row(i: int) -> dict[str, Any]:
    spans = {"span1_text": f"word {i}", "span2_index": 3, "span2_text": "she"}
    return {"text": f"word {i} said she was", "target": spans, "label": i % 3 > 0}


def record_row(i: int) -> dict[str, Any]:
    question = {"query": f"@placeholder said {i}", "answers": [{"text": "word"}]}
    passage = {"text": f"word {i} said", "entities": [{"start": 0, "end": 3}]}
    return {"passage": passage, "qas": [question]}


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


def on_tiny_files(
    config: dict[str, Any], folder: Path, *names: str, known: Iterable[str] = ()
) -> dict[str, Any]:
    """The same with the tasks of these names, and those of its stages, on tiny data; the tokenizer
    has the words of the data and those that are `known` besides.
    """
    listed = [config.pop("task")] if "task" in config else config.pop("tasks")
    chosen = [task for task in listed if task["name"] in names]
    words = [
        word for task in chosen for word in (*task.get("text", ()), *task.get("verbalizer", ()))
    ]
    write_tokenizer(folder / "backbone", (*words, *known, "said", "she", "was", "@placeholder"))
    written = [
        (write_superglue if task["source"].startswith("superglue") else write_task)(folder, task)
        for task in chosen
    ]
    elsewhere = [write_task(folder, task) for task in config.get("stage_tasks", ())]
    return {**shrunk(config, folder), "tasks": written, "stage_tasks": elsewhere}


def trained_records(folder: Path) -> list[RunRecord]:
    """Those of rows that use the backbone."""
    return [record for record in RunStore(folder).all() if record.backbone is not None]


@pytest.mark.thorough
def test_a_step_of_prompt_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Adafactor's first step moves every element by the learning rate, and decay is 1e-5 of it."""
    changes = {"vocab_size": 5003, "num_layers": 1, "num_decoder_layers": 1}
    write_backbone(tmp_path, monkeypatch, "t5 1.1", **changes)
    config = on_tiny_files(config_of("lester2021", "base,start"), tmp_path, "wic", known=MANY)
    config |= {"approaches": [config["approaches"][1]], "keep_trained": True}
    [record] = trained_records(films.run(config, tmp_path / "results"))
    assert record.configuration.approach["stages"][0]["method"]["start"] == "vocabulary"
    assert record.costs.trained_params == 100 * 16
    found = load_trained(tmp_path / "results", record.run_id)["soft_prompt:/prompt"]
    params = load_backbone(config["backbone"]).params
    method = SoftPrompt(length=100, common=5000)
    tokenizer = AutoTokenizer.from_pretrained(config["backbone"])
    words = WORDS._replace(vocabulary=plain_vocabulary(tokenizer))
    start = add(method, jax.random.PRNGKey(0), params, words)["soft_prompt:/prompt"]
    np.testing.assert_allclose(np.abs(found - (1 - 1e-5) * start), 0.3, rtol=1e-5)


@pytest.mark.thorough
def test_prompts_for_answers_that_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A prompt begins at the words of a task without labels."""
    changes = {"vocab_size": 5003, "num_layers": 1, "num_decoder_layers": 1}
    write_backbone(tmp_path, monkeypatch, "t5 1.1", **changes)
    config = on_tiny_files(config_of("lester2021", "base"), tmp_path, "wsc", "record", known=MANY)
    config |= {"approaches": config["approaches"][:1], "keep_trained": True}
    records = trained_records(films.run(config, tmp_path / "results"))
    metrics = {record.task: record.metrics["test"] for record in records}
    assert 0 <= metrics["wsc"]["referent"] <= 1 and 0 <= metrics["record"]["f1"] <= 1
    for record in records:
        assert record.costs.trained_params == 100 * 16
        found = load_trained(tmp_path / "results", record.run_id)["soft_prompt:/prompt"]
        table = load_backbone(config["backbone"]).params["embed/embedding"]
        # None of the words is known to the tokenizer; after them, any token of the table may stand.
        words = len(TASKS[f"superglue_{record.task}"](train="", test="").words)
        starts = np.broadcast_to(np.asarray(table)[0], (words, 16))
        np.testing.assert_allclose(np.abs(found[:words] - (1 - 1e-5) * starts), 0.3, rtol=1e-4)


@pytest.mark.thorough
def test_lora_on_texts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Label smoothing, dropout, EOS after a text and beams, all of them at work."""
    write_backbone(tmp_path, monkeypatch, "gpt2", n_layer=1)
    write_tokenizer(tmp_path / "backbone", ("name", "said", "||"))
    config = shrunk(config_of("hu2021_lora", "medium,e2e"), tmp_path)
    for file, (begin, end) in {"train": (0, 24), "dev": (24, 28), "test": (28, 30)}.items():
        rows = [f'"name {i}",said {i} word {i}' for i in range(begin, end)]
        config["task"][file] = f"{file}.csv"
        (tmp_path / f"{file}.csv").write_text("\n".join(["mr,ref", *rows, ""]))
    decoding = {**config["task"]["decoding"], "max_new_tokens": 4, "num_beams": 2}
    config["task"] |= {"folder": str(tmp_path), "decoding": decoding}
    [record] = trained_records(films.run(config, tmp_path / "results"))
    assert record.costs.trained_params == 4 * (24 + 3 * 24)
    assert record.status == "finished" and record.metrics["test"]["bleu"] >= 0.0


@pytest.mark.thorough
@pytest.mark.parametrize("task, outputs", [("rte", 2), ("stsb", 1)])
def test_lora_with_a_head_starts_from_mnli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, outputs: int
):
    """One step moves nothing by more than its learning rate: LoRA goes on from where it was, and
    the head starts anew.
    """
    write_backbone(tmp_path, monkeypatch, "roberta", num_hidden_layers=1)
    config = on_tiny_files(config_of("hu2021_lora", f"base,{task}"), tmp_path, task)
    first, last = config["approaches"][0]["stages"]
    one_step = {**first, "schedule": {**first["schedule"], "steps": 1, "batch_size": 4}}
    one_step["learning_rate"] = 0.1
    row = {**config["approaches"][0], "stages": [one_step, last]}
    config |= {"approaches": [row], "keep_trained": True}
    monkeypatch.setattr(StageCache, "release", lambda self, ids: None)
    [record] = trained_records(films.run(config, tmp_path / "results"))
    # Rank 8 beside query and value of a layer of width 24; the head has a layer of its own.
    counts = 2 * 8 * (24 + 24) + 24 * 24 + 24 + outputs * 24 + outputs
    assert record.costs.trained_params == counts
    [rate] = {trial["learning_rate"] for trial in row["trials"]}
    assert record.trial == {"learning_rate": rate, "weight_decay": 0.1}
    assert record.metrics["test"][record.metric] is not None
    [stage] = (tmp_path / "results/stages").glob("*.safetensors")
    before = load_file(stage)
    found = load_trained(tmp_path / "results", record.run_id)
    assert before["head:/bias"].shape == (3,) and found["head:/bias"].shape == (outputs,)
    factors = [path for path in found if path.startswith("lora:")]
    assert max(np.abs(before[path]).max() for path in factors) > 0.05
    for path in factors:
        np.testing.assert_allclose(found[path], before[path], rtol=0, atol=1.2 * rate)
    begun = add(Head(), jax.random.PRNGKey(0), load_backbone(config["backbone"]).params, WORDS)
    for name in ("dense", "dense_bias"):
        path = f"head:/{name}"
        np.testing.assert_allclose(found[path], begun[path], rtol=0, atol=1.2 * rate)
