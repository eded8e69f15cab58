"""Builds, writes and checks the table files of a results folder.

Always: table.md, table.tex, table.csv, costs.md, costs.tex, criteria.md, criteria.tex and
page.html, which holds all tables and figures. Also, each with .md and .tex:

- data.md: if there is a data.json;
- tuning: if a search on dev is finished;
- prompts: if prompts were searched;
- data_efficiency: if a task has several training set sizes;
- seeds: if there are runs with crossed seeds.

They are built from the runs, data.json, prices.json and failures.json alone; the same input gives
the same bytes.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from research.common.files import write_atomically
from research.experiments.prices import read_prices
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid, read_grid
from research.reporting.render.latex import DEFAULT_LAYOUT, latex_layout, to_latex
from research.reporting.render.markdown import to_markdown
from research.reporting.render.page import build_page
from research.reporting.table import Table, add_notes
from research.reporting.tables.costs import cost_tables
from research.reporting.tables.criteria import criteria_tables
from research.reporting.tables.data_efficiency import data_efficiency_tables
from research.reporting.tables.dataset import data_warnings, dataset_table, stored_data_report
from research.reporting.tables.prompts import prompt_search_tables
from research.reporting.tables.robustness import robustness_tables
from research.reporting.tables.scores import score_table
from research.reporting.tables.tuning import tuning_tables
from research.reporting.tables.variance import variance_tables

COLUMNS = (
    "approach",
    "task",
    "n_train",
    "metric",
    "score",
    "ci_low",
    "ci_high",
    "seeds",
    "trained_params",
    "stored_bytes",
    "train_seconds",
    "run_ids",
)


def build_tables(
    folder: Path, latex_columns: int = DEFAULT_LAYOUT
) -> tuple[tuple[Table, ...], dict[str, bytes]]:
    """The tables for the terminal (scores, prompt searches), and the content of each file by name.

    Args:
        folder: the results folder.
        latex_columns: columns of a two-column paper that tables in LaTeX span, see
            `research.reporting.render.latex`.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    grid = read_grid(folder)
    reports = stored_data_report(folder, grid)
    scores, robustness = score_table(grid), robustness_tables(grid)
    scores = replace(scores, notes=(*scores.notes, *data_warnings(reports)))
    costs, tuning = cost_tables(grid, read_prices(folder)), tuning_tables(grid)
    data_efficiency, seeds = data_efficiency_tables(grid), variance_tables(grid)
    prompts = prompt_search_tables(grid)
    data = [dataset_table(reports, grid.name)] if reports else []
    if grid.backbones:
        data = add_notes(data, [f"Tokens are counted by the tokenizer of {grid.backbones[0]}."])
    latex = partial(to_latex, layout=latex_layout(latex_columns))
    files = {
        "table.md": "\n".join(
            [to_markdown(scores), *(to_markdown(table, 2) for table in robustness)]
        ),
        "table.tex": "\n".join(map(latex, [scores, *robustness])),
        "table.csv": table_csv(grid),
    }
    by_name: dict[str, Sequence[Table]] = {
        "costs": costs,
        "criteria": criteria_tables(grid),
        "tuning": tuning,
        "data_efficiency": data_efficiency,
        "seeds": seeds,
        "prompts": prompts,
    }
    for name, tables in by_name.items():
        if tables:
            files[f"{name}.md"] = "\n".join(map(to_markdown, tables))
            files[f"{name}.tex"] = "\n".join(map(latex, tables))
    if data:
        files["data.md"] = "\n".join(map(to_markdown, data))
    sections = {
        "Costs": costs,
        "Tuning": tuning,
        "Data efficiency": data_efficiency,
        "Variance by source": seeds,
        "Prompts": prompts,
        "Data": data,
    }
    files["page.html"] = build_page(grid, scores, sections)
    return (scores, *prompts), {name: text.encode() for name, text in files.items()}


def write_tables(folder: Path, latex_columns: int = DEFAULT_LAYOUT) -> tuple[Table, ...]:
    """Writes the files, each atomically; returns the tables for the terminal."""
    tables, files = build_tables(folder, latex_columns)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return tables


def check_tables(folder: Path, latex_columns: int = DEFAULT_LAYOUT) -> list[str]:
    """The names of files that are missing or differ from the tables built from the runs."""
    _, files = build_tables(folder, latex_columns)
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]


def table_csv(grid: Grid) -> str:
    """A line for each cell and metric; scores are fractions, costs medians over the runs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = bool(grid.backbones)
    writer.writerow((*COLUMNS[:1], "backbone", *COLUMNS[1:]) if several else COLUMNS)
    for cell in grid.tested():
        for metric in cell.influence:
            approach, *rest = _csv_line(cell, metric)
            backbone = cell.runs[0].backbone
            names = (approach, backbone.name if backbone else "") if several else (approach,)
            writer.writerow((*names, *rest))
    return text.getvalue()


def _csv_line(cell: ResultCell, metric: str) -> list[str]:
    score = cell.score(metric)
    run = cell.runs[0]
    return [
        run.approach,
        run.task,
        str(cell.n_train),
        metric,
        *(f"{value:.6f}" for value in (score.score, score.low, score.high)),
        str(len(cell.runs)),
        _number(cell.cost("trained_params"), 0),
        _number(cell.cost("stored_bytes"), 0),
        _number(cell.cost("train_seconds"), 3),
        " ".join(run.run_id for run in cell.runs),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
