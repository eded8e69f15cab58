"""Prompts of every kind, whole runs: what they read against one plain pass per prompt and text."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.answer_kinds.label_answerer import LabelAnswers
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.predictor import AdaptedWeights
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.experiments.presets import prompt_search
from research.models.backbone import load_backbone, load_tokenizer
from research.records.metrics_log import MetricsLog
from research.records.store import RunStore
from research.runs.context import RunContext
from research.runs.evaluate import RunEvaluator
from research.runs.predict import PromptPredictor
from research.runs.stage_cache import StageCache
from research.runs.state import RunState
from research.runtime.devices import Devices
from tests.evaluation.plain import plain_labels
from tests.films import run
from tests.tiny import all_logprobs

TEXTS = {"good": ("good", "great"), "bad": ("bad", "very bad", "grim")}
WRITTEN = [text for texts in TEXTS.values() for text in texts]
OWNER = [0, 0, 1, 1, 1]
# Instruction, context and output format; and a plain one.
TEMPLATES = ("Good or bad?\n\nFilm: {text}\nVerdict:", "{text}\nIt is")
CONTEXT = 120


@pytest.fixture(scope="module")
def roomy(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny backbone, its positions being rotary, with room for longer prompts."""
    folder = shutil.copytree(tiny / "backbone", tmp_path_factory.mktemp("roomy") / "backbone")
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written | {"max_position_embeddings": CONTEXT}))
    return folder


@pytest.fixture(scope="module")
def context(roomy: Path, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    backbone, folder = load_backbone(str(roomy)), tmp_path_factory.mktemp("context")
    tokenizer = load_tokenizer(str(roomy), backbone.model)
    stages = StageCache(folder / "stages")
    where = (folder, stages, MetricsLog(folder))
    return RunContext(backbone, tokenizer, Devices(count=1), jnp.float32, *where)


@pytest.fixture
def ask(config: dict[str, Any], context: RunContext):
    """`ask(**row)`: a run at work on such a prompt, its seed 0."""
    config["task"] |= {"templates": TEMPLATES, "verbalizer": TEXTS}
    backbone = context.backbone

    def made(templates: tuple[str, ...] = TEMPLATES, **row: Any) -> RunState:
        config["task"]["templates"] = templates
        experiment = Experiment.parse({**config, "approaches": [{"name": "prompt", **row}]})
        tasks = {task.name: task.load() for task in experiment.tasks}
        cell = next(iter(cells(experiment, tasks, backbone.checksum)))
        return RunState(Run(cell, {}, 0), context)

    return made


def read(work: RunState, split: str = "test") -> LabelAnswers:
    """By the unadapted backbone."""
    context, how = work.context, work.approach.normalisation
    weights = AdaptedWeights((), context.backbone.params)
    reading = PromptPredictor(
        context, answer_kind(work.run.cell.task), work.prompts, how, weights, None
    )
    return reading.answers([prompt.rows(split) for prompt in work.prompts])  # pyright: ignore


def slow(work: RunState, before: list[int], prompts: list[str], end: str = "\n") -> np.ndarray:
    """[I, K] log-probability of every text after ids and each prompt, one pass each."""
    context, found = work.context, np.zeros((len(prompts), len(WRITTEN)))
    model, tokenizer = context.backbone.model, context.tokenizer
    for (row, text), _ in np.ndenumerate(found):
        prompt = [*before, *tokenizer(prompts[row], add_special_tokens=False)["input_ids"]]
        target = tokenizer(f" {WRITTEN[text]}{end}", add_special_tokens=False)["input_ids"]
        ids = np.array([*prompt, *target, *[0] * CONTEXT][:CONTEXT])
        logprobs = all_logprobs(model, context.backbone.params, ids)
        found[row, text] = sum(
            float(logprobs[len(prompt) + t - 1, id]) for t, id in enumerate(target)
        )
    return found


def opening(work: RunState) -> list[int]:
    frame = work.data.frame
    return frame.prefix_ids[: frame.prefix_length].tolist()


def filled(work: RunState, template: int, texts: list[str] | None = None) -> list[str]:
    given = texts or [one.fields["text"] for one in work.run.cell.task.test]
    return [TEMPLATES[template].replace("{text}", text) for text in given]


def lengths(work: RunState, by: str) -> list[float]:
    if by == "bytes":
        return [len(text) for text in WRITTEN]
    if by == "sum":
        return [1.0] * len(WRITTEN)
    return [
        len(work.context.tokenizer(f" {text}\n", add_special_tokens=False)["input_ids"])
        for text in WRITTEN
    ]


@pytest.mark.parametrize(
    ("prior", "by", "shown"),
    [("content_free", "sum", 1), ("domain", "tokens", 1), ("none", "bytes", 0)],
)
def test_scores_are_those_of_plain_passes(ask, prior: str, by: str, shown: int):
    """With the demonstrations before content-free inputs, and none before a domain premise."""
    work = ask(prior=prior, normalisation=by, demonstrations=shown)
    scores = read(work).scores
    begin = opening(work)
    assert bool(work.data.demonstrations) == bool(shown) == (len(begin) > 1)
    neutral = {
        "content_free": (begin, filled(work, 0, ["N/A", "[MASK]", ""])),
        "domain": (begin[:1], ["\nVerdict:"]),
        "none": ([], []),
    }[prior]
    priors = [row.tolist() for row in slow(work, *neutral)]
    for found, row in zip(scores, slow(work, begin, filled(work, 0)), strict=True):
        expected = plain_labels(row.tolist(), OWNER, lengths(work, by), priors)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_labels_are_scored_without_their_end(ask):
    """Demonstrations have the end all the same, and what is trained on is what is scored."""
    work = ask(target_end=False, normalisation="tokens", demonstrations=1)
    scores, begin, tokenizer = read(work).scores, opening(work), work.context.tokenizer
    assert work.data.demonstrations and tokenizer.decode(begin).rstrip(" ").endswith("\n")
    counts = [len(tokenizer(f" {text}", add_special_tokens=False)["input_ids"]) for text in WRITTEN]
    for found, row in zip(scores, slow(work, begin, filled(work, 0), end=""), strict=True):
        expected = plain_labels(row.tolist(), OWNER, counts, [])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    dev = work.data.dev
    rows = zip(dev.tokens, dev.prompt_length, dev.length, strict=True)
    assert {tokenizer.decode(tokens[a:b]) for tokens, a, b in rows} == {" good", " bad"}


def test_nearest_demonstrations_and_their_content_free_prompts_are_each_rows_own(ask):
    work = ask(choice="nearest", demonstrations=2, prior="content_free", template=1)
    scores, test = read(work).scores, work.data.test
    assert len(opening(work)) == 1 and work.data.demonstrations == 2
    prompts, own = filled(work, 1), []
    for row, prompt in enumerate(prompts):
        ids = test.tokens[row, : test.prompt_length[row]].tolist()
        size = len(work.context.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        assert work.context.tokenizer.decode(ids[-size:]) == prompt
        own.append([*opening(work), *ids[:-size]])
        assert work.context.tokenizer.decode(ids).count("\nIt is") == 3
    assert len({tuple(ids) for ids in own}) > 1
    for row in (0, 3):
        around = slow(work, own[row], filled(work, 1, ["N/A", "[MASK]", ""]))
        priors = [one.tolist() for one in around]
        row_scores = slow(work, own[row], [prompts[row]])[0].tolist()
        expected = plain_labels(row_scores, OWNER, [1.0] * len(WRITTEN), priors)
        np.testing.assert_allclose(scores[row], expected, rtol=0, atol=1e-4)


def test_an_ensemble_is_the_mean_over_its_members(ask):
    whole = ask(ensemble=2, template=1, draw=7, demonstrations=1)
    members = [ask(template=t, draw=d, demonstrations=1) for t, d in ((1, 7), (0, 8))]
    scores = [np.exp(read(one).scores.astype(float)) for one in members]
    shares = [one / one.sum(axis=1, keepdims=True) for one in scores]
    np.testing.assert_allclose(np.exp(read(whole).scores), np.mean(shares, axis=0), atol=1e-6)
    assert read(whole).loss == pytest.approx(np.mean([read(one).loss for one in members]))
    # What the input costs: the demonstrations of both, and the input a second time.
    added = [one.data.added for one in members]
    again = round(float(members[1].data.test.prompt_length.mean()))
    assert min(added) > 0
    assert RunEvaluator(whole).result().costs["added_tokens"] == sum(added) + again


def test_what_is_recorded_is_by_the_approachs_own_readout(ask):
    """The dev scores by which trials are chosen are calibrated like those of test."""
    plain, other = (ask(**row) for row in ({}, {"prior": "content_free", "normalisation": "bytes"}))
    assert not np.allclose(read(plain, "dev").scores, read(other, "dev").scores)
    for work in (plain, other):
        dev = RunEvaluator(work).result().metrics["dev"]
        guess = read(work, "dev").scores.argmax(1)
        assert dev is not None and dev["accuracy"] == np.mean(guess == work.data.dev.label)
        assert dev["loss"] == read(plain, "dev").loss  # of the targets that are trained on


def test_a_template_without_anything_left_is_refused(ask):
    with pytest.raises(InputError, match="prior is 'domain': without its columns nothing is left"):
        ask(prior="domain", templates=("Film: {text}",))


def swept(config: dict[str, Any], roomy: Path, folder: Path, rows: list[dict[str, Any]]):
    """The records of these rows, by row."""
    config["task"] |= {"templates": TEMPLATES, "verbalizer": TEXTS}
    config |= {"backbone": str(roomy), "seeds": 2, "search_seeds": 1, "approaches": rows}
    found: dict[str, list[dict[str, Any]]] = {}
    for record in RunStore(run(config, folder)).all():
        found.setdefault(record.approach, []).append(record)
    return found


@pytest.mark.thorough
def test_a_search_and_its_report(config: dict[str, Any], roomy: Path, tmp_path: Path):
    """All trials of a seed are scored on the same examples."""
    search = prompt_search("searched", 3, demonstrations=1, choice="random")
    readouts = {"name": "readouts", "trials": [{}, {"prior": "content_free"}]}
    rows = swept(config, roomy, tmp_path, [search, readouts])
    searched = rows["searched"]
    trials = {(r.trial["template"], r.trial["draw"]) for r in searched}
    assert {draw for _, draw in trials} == {0, 1, 2} and (0, 0) in trials
    drawn = {(r.seed, r.data.split_checksum) for r in searched + rows["readouts"]}
    assert len(drawn) == 2
    assert {r.notes.demonstrations for r in searched} == {1}
    text = (tmp_path / "prompts.md").read_text()
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert [(line[0], line[1]) for line in lines] == [
        ("| searched, films, 4-shot", "9"),  # three draws, three ways to score a label
        ("| readouts, films, 4-shot", "6"),
    ]


@pytest.mark.thorough
def test_prompts_of_every_kind_in_a_sweep(config: dict[str, Any], roomy: Path, tmp_path: Path):
    stages = [{"method": {"name": "lora", "rank": 2}}]
    nearest = {"demonstrations": 2, "choice": "nearest", "prior": "domain", "trials": [{}]}
    many = {"demonstrations": 1, "ensemble": 2, "normalisation": "tokens", "trials": [{}]}
    rows = swept(
        config,
        roomy,
        tmp_path,
        [
            {"name": "ensemble", **many},
            {"name": "nearest", **nearest},
            {"name": "nearest, trained", "stages": stages, **nearest},
        ],
    )
    assert {r.notes.demonstrations for r in rows["nearest, trained"]} == {2}
    assert all(r.status == "finished" for name in rows for r in rows[name])
    before, after = (rows[name][0].metrics["dev"] for name in ("nearest", "nearest, trained"))
    assert after["loss"] < before["loss"]
