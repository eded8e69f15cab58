"""The committed tables are what the committed runs give."""

import shutil
import subprocess
from pathlib import Path

import pytest

from research.records.archive import ARCHIVE
from research.reporting.build import check_tables
from research.reporting.checks.recompute import recompute_cells, recompute_runs
from research.reporting.grid.grid import read_grid

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


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_latex_compiles(folder: Path, tmp_path: Path):
    """All tables of a folder, in ASCII, with the package that their first lines ask for."""
    files = sorted(folder.glob("*.tex"))
    assert files and all(file.read_text().isascii() for file in files)
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    size = r"\usepackage[paperwidth=500mm,paperheight=2000mm,margin=10mm]{geometry}"
    inputs = [rf"\clearpage\input{{{file}}}" for file in files]
    lines = [r"\documentclass{article}", size, r"\usepackage{booktabs}", r"\begin{document}"]
    (tmp_path / "all.tex").write_text("\n".join([*lines, *inputs, r"\end{document}"]))
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, (tmp_path / "all.log").read_text(errors="replace")[-2000:]
