"""The committed tables are what the committed runs give."""

from pathlib import Path

import pytest

from research.reporting.tables import check_tables

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "results").glob("*/runs"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_tables_are_made_from_runs_alone(folder: Path):
    assert check_tables(folder) == []
