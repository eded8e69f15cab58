"""Prompt transfer: what a run keeps of its soft prompt starts another run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.records.store import RunStore
from research.records.weights import load_trained
from tests import films


def swept(config: dict[str, Any], folder: Path, rate: float, **method: Any) -> np.ndarray:
    """The prompt that the one run of such a row keeps."""
    soft = {"name": "soft_prompt", "length": 3, **method}
    row = {"name": "prompt", "stages": [{"method": soft, "learning_rate": rate}]}
    films.run({**config, "approaches": [row]}, folder)
    [record] = [one for one in RunStore(folder).all() if one.approach == "prompt"]
    return load_trained(folder, record.run_id)["soft_prompt:/prompt"]


@pytest.mark.thorough
def test_a_run_starts_where_another_ended(config: dict[str, Any], tmp_path: Path):
    """A second run that hardly learns keeps the prompt of the first."""
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True}
    first = swept(config, tmp_path / "first", 0.3)
    [file] = (tmp_path / "first" / "trained").iterdir()
    again = swept(config, tmp_path / "second", 1e-8, start="file", file=str(file))
    np.testing.assert_allclose(again, first, atol=1e-6)
    assert not np.allclose(swept(config, tmp_path / "third", 1e-8), first, atol=1e-3)
