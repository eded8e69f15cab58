"""The nine criteria: a figure in every cell, or a reason."""

from research.reporting.format import MISSING
from research.reporting.grid.grid import read_grid
from research.reporting.tables.criteria import CRITERIA, criteria_tables
from tests.reporting.grids import answers, grid

NINE = "data compute accuracy complexity maintenance adaptability deployment consistency generality"


def figures(layout, row):
    entries = dict((*layout.rows, *layout.baselines))[row]
    return {head: entry.text for (head, _), entry in zip(layout.heads, entries, strict=True)}


def test_every_row_has_nine_figures_or_a_reason(finished):
    layouts = criteria_tables(read_grid(finished))
    assert [layout.title.split("criteria, ")[1] for layout in layouts] == [
        "sentiment, 500 examples",
        "topic_50%, 500 examples",
    ]
    found = figures(layouts[0], "LoRA")
    assert list(found) == NINE.split() == [one.name for one in CRITERIA]
    assert found["complexity"] == "3; 0 of 9"
    assert found["maintenance"] == "49.2 kB" and found["deployment"] == "0; " + MISSING
    for name in NINE.split():
        reasons = [note for note in layouts[0].notes if note.startswith(f"{MISSING} in {name}: ")]
        missing = [row for row, _ in layouts[0].rows if MISSING in figures(layouts[0], row)[name]]
        assert bool(reasons) == bool(missing), name
        told = [
            n for layout in layouts for n in layout.notes if n.startswith(f"{name.capitalize()}: ")
        ]
        assert len(told) == 1 and told[0] in layouts[1].notes
    assert not criteria_tables(read_grid(finished), {"other"})


def test_data_is_where_the_line_reaches_most_of_the_best():
    """90 % is the best; 95 % of it is 85.5 %, between 32 and 500 examples."""
    made = grid(
        {name: (answers(0.9), {}) for name in ("early", "late", "never")}, {"a": 32, "b": 500}
    )
    low, high = (answers(share) for share in (0.8, 0.9))
    scores = {"early": (high, high), "late": (low, high), "never": (low, low)}
    for name, (first, second) in scores.items():
        for regime, matrix in (("a", first), ("b", second)):
            made.cells[name, "films", regime].influence["accuracy"] = matrix
    [layout] = criteria_tables(made)
    assert figures(layout, "early")["data"] == "≤32"
    assert figures(layout, "late")["data"] == str(32 + round(468 * 0.55) + 1)
    assert figures(layout, "never")["data"] == ">500"
