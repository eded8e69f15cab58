"""The committed tables are what the committed runs give."""

from pathlib import Path

import pytest

from research.reporting.tables import check_tables
from tests.thorough import cases

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/runs"))
QUICK = (RESULTS / "quickstart_reference",)


@pytest.mark.parametrize("folder", cases(FOLDERS, quick=QUICK), ids=lambda folder: folder.name)
def test_tables_are_made_from_runs_alone(folder: Path):
    assert check_tables(folder) == []
