"""How much room the rows of a run have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.cells import ChatPlan, cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.runs.context import open_context
from research.runs.encode_data import run_data
from research.runs.evaluate import RunEvaluator
from research.runs.held_out_text import held_out_passages
from research.runs.result import make_record
from research.runs.room import room
from research.runs.state import RunState
from research.tasks.encoding.tokenization import TextTokenizer
from tests import films
from tests.tiny import text_loss_of

NEAREST = {"choice": "nearest"}


@pytest.mark.parametrize(
    "context, taken, most, left",
    [
        (64, 10, None, 54),
        (64, 10, 60, 54),
        (64, 10, 40, 40),
        (None, 100, None, 412),
        (None, 100, 512, 512),
    ],
)
def test_what_is_left_for_a_row(context, taken, most, left: int):
    """A backbone that takes any number of positions has as many as are asked for, and a prompt."""
    assert room(context, taken, most) == left


def test_rows_of_at_most_so_many_tokens(config: dict):
    def longest(**changes) -> int:
        experiment = Experiment.parse(config | changes)
        tasks = {task.name: task.load() for task in experiment.tasks}
        cell = next(cells(experiment, tasks, ""))
        left = room(64, 0, experiment.max_tokens)
        data = run_data(cell.search()[0], films.tokenizer(), left, "causal")
        # BOS stands before each row.
        return 1 + int(max(part.length.max() for part in (data.train, data.dev, data.test)))

    whole = longest()
    assert longest(max_tokens=whole) == whole
    assert longest(max_tokens=whole - 2, too_long="cut") == whole - 2
    with pytest.raises(InputError, match="too_long is 'error': .* longer than the"):
        longest(max_tokens=whole - 2)


@pytest.mark.parametrize("bos, stands", [("tokenizer", True), ("never", False)])
def test_the_record_says_whether_bos_stands(tiny: Path, config: dict, bos: str, stands: bool):
    """The same for rows, demonstrations and plain text, whose loss is another."""
    held_out = tiny / "plain.txt"
    held_out.write_text("a warm film and a grim one " * 200)
    experiment = Experiment.parse(config | {"bos": bos, "held_out": str(held_out)})
    tasks = {task.name: task.load() for task in experiment.tasks}
    context = open_context(experiment, tiny / bos)
    run = next(cells(experiment, tasks, context.backbone.checksum)).search()[0]
    evaluator = RunEvaluator(RunState(run, context))
    prefix = [context.tokenizer.bos_token_id] * stands
    assert evaluator.state.data.frame.prefix_ids.tolist() == prefix
    record = make_record(run, evaluator.result())
    assert record.notes.bos is stands and record.configuration.bos == bos
    forgetting = evaluator.test_result().language_model
    assert forgetting is not None
    held_out = held_out_passages(context.held_out or [], 64 - stands)
    passages = [ids.tolist() for ids in held_out.tokens]
    before = np.asarray(context.backbone.params["embed/embedding"])[prefix]
    model, params = context.backbone.model, context.backbone.params
    expected = text_loss_of(model, params, passages, before)
    assert forgetting["before"] == pytest.approx(expected, rel=1e-5)


def test_no_text_is_tokenized_twice(config: dict, monkeypatch: pytest.MonkeyPatch):
    """Runs with other scores of labels have the same rows, those with other seeds some of them."""
    texts: list[str] = []
    encode = TextTokenizer.encode

    def counted(self: TextTokenizer, batch: Sequence[str], **options: bool) -> Any:
        texts.extend(batch)
        return encode(self, batch, **options)

    monkeypatch.setattr(TextTokenizer, "encode", counted)
    per_token = {"target_end": False, "normalisation": "tokens"}
    trials = [{"target_end": True}, {"target_end": False}, per_token]
    row = {"name": "few-shot", "demonstrations": 2, "trials": trials}
    experiment = Experiment.parse(config | {"approaches": [row]})
    tasks = {task.name: task.load() for task in experiment.tasks}
    cell = next(cells(experiment, tasks, ""))
    tokenizer = films.tokenizer()
    counts = []
    for seed in (0, 1):
        for trial in cell.trials:
            run_data(Run(cell, trial, seed), tokenizer, 64, "causal")
            counts.append(len(texts))
    assert len(texts) == len(set(texts)) == counts[-1]
    assert counts[0] == counts[1] == counts[2] < counts[3] == counts[4] == counts[5]
    assert counts[5] < 2 * counts[0]


@pytest.mark.parametrize("row", [{}, {"demonstrations": 1}, {"demonstrations": 2, **NEAREST}])
def test_all_splits_of_a_chat_have_the_ids_of_the_whole_conversation(config: dict, row: dict):
    """With what all rows share, which stands in the frame."""
    tokenizer = films.tokenizer()
    tokenizer.chat_template = films.CHAT
    row = {"name": "chat", "chat": True, "system": "You judge films.", **row}
    experiment = Experiment.parse(config | {"approaches": [row]})
    tasks = {task.name: task.load() for task in experiment.tasks}
    run = next(cells(experiment, tasks, "", chat=ChatPlan(films.CHAT, {}))).search()[0]
    data = run_data(run, tokenizer, 999, "causal")
    shared = data.frame.prefix_ids[: data.frame.prefix_length].tolist()
    assert len(shared) > 10
    splits = {
        "train": (data.train, data.split.train),
        "dev": (data.dev, data.split.dev),
        "test": (data.test, run.cell.task.test),
    }
    fill = run.cell.task.templates[0].fill
    for rows, examples in splits.values():
        for index, example in enumerate(examples):
            length, prompt = rows.length[index], rows.prompt_length[index]
            ids = [*shared, *rows.tokens[index, :length].tolist()]
            text = tokenizer.decode(ids)
            end = f"user: {fill(example.fields)}</s>\nassistant: {example.label}</s>"
            assert text.startswith("<s>system: You judge films.</s>\nuser: ")
            assert text.endswith(end) and text.count("assistant:") == 1 + data.demonstrations
            assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
            assert tokenizer.decode(ids[: len(shared) + prompt]) == text.removesuffix(
                f" {example.label}</s>"
            )
