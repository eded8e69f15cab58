"""The table of crossed runs: the variance of each source."""

from dataclasses import asdict

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.seeds import Seeds, latin_square
from research.reporting.build import build_tables
from research.reporting.grid.grid import read_grid
from research.reporting.tables.variance import variance_tables
from research.stats.variance_components import components
from tests.reporting.conftest import APPROACHES, draw


def crossed(sweep, row: int, skip: int = 0) -> None:
    """The crossed runs of the tested trial of a row, without the last `skip`."""
    best = max(len(APPROACHES[row][2]) - 2, 0)
    apart = [own for own in latin_square(3) if own != Seeds.alike(own.sample)]
    for number, own in enumerate(apart[: len(apart) - skip]):
        answers = draw(row, 0, 0, 10 + number, APPROACHES[row][1])
        metrics = {"dev": {"accuracy": 0.1}, "test": answers.metrics()}
        settings = {"seed": asdict(own)}
        change = {"seeds": own, "settings": settings, "metrics": metrics}
        record = sweep.run(row, 0, 0, best, 10 + number, True, **change)
        assert record.metrics["test"] == answers.metrics()


def test_crossed_runs_are_in_their_own_table_and_in_no_cell(sweep):
    for row in (1, 2):
        sweep.cell(row, 0, 0)
    before = build_tables(sweep.folder)[1]
    assert "seeds.md" not in before
    crossed(sweep, 2)
    crossed(sweep, 1, skip=1)
    grid, after = read_grid(sweep.folder), build_tables(sweep.folder)[1]
    beside = before.keys() - {"page.html"}  # which holds their table as well
    assert {name: after[name] for name in beside} == {name: before[name] for name in beside}
    [layout] = variance_tables(grid)
    [(name, entries)] = layout.rows
    cell = grid.cell("LoRA", ("sentiment", "16-shot"))
    assert cell is not None and name == "LoRA, sentiment, 16-shot" and entries[0].text == "9"
    records = [*cell.runs[:3], *grid.crossed[cell.key]]
    levels = [(r.seeds.sample, r.seeds.order, r.seeds.initialisation) for r in records]
    scores = [record.metrics["test"]["accuracy"] for record in records]
    parts = list(components(np.array(levels), np.array(scores)).values())
    deviations = [100 * part.variance**0.5 for part in parts]
    assert [entry.text for entry in entries[1:5]] == [f"{one:.1f}" for one in deviations]
    assert entries[6].text.startswith(f"{100 * parts[0].share:.0f} % [")
    assert layout.notes[-1] == "Missing runs: few-shot prompt, sentiment, 16-shot."
    assert any("set to 0" in note for note in layout.notes) == any(p.negative for p in parts)
    assert after["seeds.tex"].isascii()


def test_crossed_runs_alone_are_no_table(sweep):
    crossed(sweep, 2)
    with pytest.raises(InputError, match="all of its runs have crossed seeds"):
        read_grid(sweep.folder)
