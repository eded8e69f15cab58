"""The committed tables are what the committed runs give."""

from pathlib import Path

import pytest

from research.records.archive import ARCHIVE
from research.reporting.build import build_tables, check_tables
from research.reporting.checks.recompute import recompute_cells, recompute_runs
from research.reporting.grid.grid import read_grid
from tests.latex_documents import latex_problems

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob(f"*/{ARCHIVE}"))
REFERENCE = RESULTS / "quickstart_reference"


def test_tables_are_made_from_runs_alone():
    """The bytes of tables are pinned in this folder alone."""
    assert REFERENCE in FOLDERS and check_tables(REFERENCE) == []


@pytest.mark.thorough
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_run_and_cell_can_be_recomputed(folder: Path):
    assert recompute_runs(folder).damaged == []
    assert recompute_cells(read_grid(folder)) == []


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_latex_compiles_and_fits(folder: Path, columns: int, tmp_path: Path):
    """All tables of a folder, in ASCII, in a document of one column and of two."""
    tables = [file.read_text() for file in sorted(folder.glob("*.tex"))]
    assert tables and all(table.isascii() for table in tables)
    assert latex_problems(tables, columns, tmp_path) == []


def test_latex_for_one_column_of_a_paper_compiles_and_fits(tmp_path: Path):
    files = build_tables(REFERENCE, latex_columns=1)[1]
    tables = [data.decode() for name, data in files.items() if name.endswith(".tex")]
    assert tables and latex_problems(tables, 2, tmp_path) == []
