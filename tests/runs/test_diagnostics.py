"""What records say of training: a warning where nothing was learned, and what a prompt is like."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.distance import cosine

from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.predictor import AdaptedWeights
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.methods.shared.leaves import mask, split
from research.records.store import RunStore
from research.reporting.build import write_tables
from research.runs.context import open_context
from research.runs.diagnostics import not_learned, soft_prompt_diagnostics
from research.runs.predict import PromptPredictor
from research.runs.run_scorer import RunScorer
from research.runs.stage_start import start_stage
from research.runs.state import RunState
from research.sweeps.sweep import sweep
from research.training.member import MemberProgress, Outcome

DRAW = np.random.default_rng(0)
TABLE = DRAW.normal(size=(30, 8)).astype(np.float32)


def test_a_score_no_better_than_without_training_is_said():
    others = {"the majority class": 0.5, "the unadapted backbone": 0.75}
    assert not_learned("accuracy", 0.76, others) is None
    said = not_learned("accuracy", 0.75, others)
    assert said == "accuracy on dev is 0.750, and 0.750 with the unadapted backbone"


def test_nearest_tokens_by_cosine():
    """And norms, against a plain loop over all pairs."""
    prompt = np.concatenate([DRAW.normal(size=(4, 8)), 7 * TABLE[[11, 3]]]).astype(np.float32)
    diagnostics = soft_prompt_diagnostics(prompt, TABLE)
    for index, vector in enumerate(prompt):
        plain = np.array([1 - cosine(vector, token) for token in TABLE])
        expected = np.argsort(-plain)[:3]
        assert diagnostics.nearest[index].tolist() == expected.tolist()
        np.testing.assert_allclose(diagnostics.cosine[index], plain[expected], atol=1e-6)
    assert diagnostics.nearest[4:, 0].tolist() == [11, 3]
    np.testing.assert_allclose(diagnostics.norms, np.linalg.norm(prompt, axis=1), rtol=1e-6)
    lengths = np.linalg.norm(TABLE, axis=1)
    np.testing.assert_allclose(
        diagnostics.vocabulary, np.percentile(lengths, (5, 50, 95)), rtol=1e-6
    )


def test_an_embedding_of_zeros_is_near_to_nothing():
    table = np.concatenate([np.zeros((1, 8), np.float32), TABLE])
    diagnostics = soft_prompt_diagnostics(np.stack([TABLE[0], np.zeros(8, np.float32)]), table)
    assert diagnostics.nearest[0, 0] == 1 and np.isfinite(diagnostics.cosine).all()


@pytest.mark.parametrize(
    "method", [{"name": "lora", "rank": 2}, {"name": "soft_prompt", "length": 3}], ids=str
)
def test_the_backbone_as_it_came_is_read_with_methods_only_where_these_change_nothing(
    config: dict, tmp_path: Path, method: dict
):
    row = {"name": "row", "stages": [{"method": method}]}
    experiment = Experiment.parse(config | {"approaches": [row]})
    context, task = open_context(experiment, tmp_path), experiment.tasks[0].load()
    *_, cell = cells(experiment, {task.name: task}, context.backbone.checksum)
    work = RunState(Run(cell, cell.trials[0], 0), context)
    member = start_stage(work, 0, work.data)
    trained, _ = split(member.leaves, mask(member.hyper.methods, member.leaves))
    moved = {path: np.asarray(leaf) + 0.5 for path, leaf in trained.items()}
    work.finish_stage(Outcome(moved, MemberProgress()))
    rows = [work.data.dev]
    weights = AdaptedWeights((), context.backbone.params)
    kind = answer_kind(task)
    plain = PromptPredictor(context, kind, work.prompts, "sum", weights, None).answers(rows)
    asis, reached = RunScorer(work).predictor(trained=False), RunScorer(work).predictor()
    assert bool(asis.weights.methods) == (method["name"] == "lora")
    np.testing.assert_allclose(asis.answers(rows).scores, plain.scores, rtol=0, atol=1e-5)
    assert np.abs(reached.answers(rows).scores - plain.scores).max() > 1e-3


@pytest.mark.thorough
def test_notes_of_runs_that_train(config: dict, tmp_path: Path):
    """One step of a rate next to nothing changes no answer."""
    prompt = {"method": {"name": "soft_prompt", "length": 3}}
    idle = {"method": {"name": "bottleneck", "size": 2}, "schedule": {"steps": 1}}
    config["approaches"] = [
        {"name": "idle", "stages": [idle], "trials": [{"learning_rate": 1e-9}]},
        {"name": "prompt", "stages": [prompt]},
        {"name": "zero-shot"},
    ]
    plain = config | {"seeds": 1, "search_seeds": 1, "regimes": ("10-shot",)}
    sweep(Experiment.parse(plain), tmp_path, Console(file=io.StringIO()))
    records = {r.approach: r for r in RunStore(tmp_path).all() if r.tested}
    notes = {name: record.notes for name, record in records.items()}
    dev = {name: record.metrics["dev"]["accuracy"] for name, record in records.items()}
    best = max(0.5, dev["zero-shot"])
    for name in ("idle", "prompt"):
        assert (notes[name].not_learned is None) == (dev[name] > best)
    assert f"{best:.3f} with" in (notes["idle"].not_learned or "")
    assert notes["zero-shot"].not_learned is None
    inside = notes["prompt"].prompt
    assert inside is not None
    assert [len(row) for row in inside.nearest] == [3, 3, 3] == [len(inside.norms)] * 3
    assert all(isinstance(token, str) for row in inside.nearest for token in row)
    # Four steps at 1e-3 leave the vectors next to the tokens that they were.
    assert min(row[0] or 0.0 for row in inside.cosine) > 0.9
    write_tables(tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "no better on dev than without training: idle, films, 10-shot 1 of 1" in table
