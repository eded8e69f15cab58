"""Compares our scores with published numbers, from `results/published/`."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.reporting.format import MISSING, percent
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.metric_names import NAMES
from research.reporting.table import Table, TableCell
from research.reporting.tables.comparison import LEVEL
from research.stats.intervals import variance
from research.stats.mean_difference import MeanDifference
from research.stats.multiple_testing import holm

# Names that papers give to our metrics.
METRICS = {"acc": "accuracy", "f1-macro": "macro_f1"}


@dataclass(frozen=True)
class Score:
    """A published score.

    Attributes:
        task: name of the task.
        approaches: our rows that it corresponds to.
        metric: name of the metric.
        score: the score, as a fraction.
        examples: number of training examples; None where the paper does not state it.
        backbone: name of the backbone; None where it is not known.
        runs: score of each run, where the paper has them.
        printed: the spread printed with the score, whose definition papers rarely state.
    """

    task: str
    approaches: tuple[str, ...]
    metric: str
    score: float
    examples: int | None = None
    backbone: str | None = None
    runs: tuple[float, ...] = ()
    printed: float | None = None

    def matches(self, cell: ResultCell) -> bool:
        """Whether a cell has the same approach, task, metric and, where stated, examples."""
        approach, task = cell.runs[0].approach, cell.runs[0].task
        sizes = {run.n_train for run in cell.runs}
        same = task.lower() == self.task.lower() and approach in self.approaches
        return same and cell.headline == self.metric and self.examples in (None, *sizes)


@dataclass(frozen=True)
class Published:
    """The scores of a paper.

    Attributes:
        paper: its authors, short title and arXiv number.
        scores: its scores.
    """

    paper: str
    scores: tuple[Score, ...]


def read_published(path: Path) -> Published:
    """Reads a file of `results/published/`; raises InputError for another form."""
    try:
        content = parse_json(path.read_bytes())
        tasks = content["tasks"].items()
        scores = tuple(score for task, values in tasks for score in _scores(task, values))
        title = f"{content['authors']}: {content['paper']} ({content['arxiv']})"
        return Published(title, scores)
    except (OSError, ValueError, KeyError, TypeError) as error:
        allowed = f"a file of results/published/ is expected ({type(error).__name__}: {error})"
        raise InputError("against", str(path), allowed) from error


def _scores(task: str, values: dict[str, Any]) -> Iterator[Score]:
    """The scores of a task.

    `scores` are single numbers; `head` and `prompt` are runs by number of examples, null for none.
    """
    name: str = values["metric"]
    metric = METRICS.get(name, name)
    for score in values.get("scores", ()):
        fields = {**score, "approaches": tuple(score["approaches"])}
        yield Score(task=task, metric=metric, **fields)
    for approach in ("head", "prompt"):
        by_size = values.get(approach, ())
        for examples, runs in zip(values.get("examples", ()), by_size, strict=False):
            stored = tuple(run for run in runs if run is not None)
            if stored:
                mean = statistics.fmean(stored)
                yield Score(task, (approach,), metric, mean, examples, runs=stored)


def published_table(grid: Grid, published: Published) -> Table:
    """A row for each of our cells with a published score.

    Raises InputError where there is none.
    """
    pairs = [
        (cell, score) for cell in grid.tested() for score in published.scores if score.matches(cell)
    ]
    if not pairs:
        names = ", ".join(dict.fromkeys(score.task for score in published.scores))
        allowed = f"it has no number for our approaches and tasks; its tasks are {names}"
        raise InputError("against", published.paper, allowed)
    heads = ("ours", "published", "spread", "difference", "significant", "backbone")
    metrics = ", ".join(sorted({NAMES.get(score.metric, score.metric) for _, score in pairs}))
    return Table(
        title=f"{grid.name} against {published.paper}",
        heads=tuple((head, "") for head in heads),
        scores=len(heads),
        rows=tuple(_rows(pairs)),
        baselines=(),
        notes=(
            f"Scores: {metrics} in percent. Difference: ours minus the published score, in points, "
            "with a 95 % interval. Significant: at 5 %, Holm-corrected over all rows.",
            "A published number without its runs is treated as exact, since printed spreads are "
            "rarely defined. The interval then covers our variance only, so the test is too "
            "liberal.",
        ),
    )


def _rows(pairs: Sequence[tuple[ResultCell, Score]]) -> Iterator[tuple[str, tuple[TableCell, ...]]]:
    tested = [_test(cell, score) for cell, score in pairs]
    significant = holm([p for _, p in tested], LEVEL)
    for (cell, score), (gap, _), differs in zip(pairs, tested, significant, strict=True):
        texts = (
            percent(cell.score()),
            f"{100 * score.score:.1f}",
            _spread(score),
            gap.text(),
            "yes" if differs else "no",
            _backbones(cell, score),
        )
        yield ", ".join(cell.key), tuple(map(TableCell, texts))


def _test(cell: ResultCell, score: Score) -> tuple[MeanDifference, float]:
    """Our score minus the published one. The variance of published runs is that over seeds, since
    their test items may differ from ours.
    """
    v, degrees = map(float, variance(cell.influence[cell.headline]))
    mean = cell.score().score - score.score
    if len(score.runs) > 1:
        w = statistics.variance(score.runs) / len(score.runs)
        parts = v**2 / degrees + w**2 / (len(score.runs) - 1)
        return MeanDifference.around(mean, v + w, (v + w) ** 2 / parts if parts > 0 else degrees)
    return MeanDifference.around(mean, v, degrees)


def _spread(score: Score) -> str:
    if len(score.runs) > 1:
        return f"SD {100 * statistics.stdev(score.runs):.1f} of {len(score.runs)} runs"
    return MISSING if score.printed is None else f"± {100 * score.printed:.1f}"


def _backbones(cell: ResultCell, score: Score) -> str:
    ours = cell.runs[0].backbone
    if score.backbone is None or ours is None:
        return "not stated"
    return "same" if ours.name == score.backbone else f"{ours.name}, not {score.backbone}"
