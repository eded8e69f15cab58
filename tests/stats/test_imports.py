"""The statistics know arrays only: importing them loads neither JAX nor transformers."""

import subprocess
import sys
from pathlib import Path

import pytest

import research.stats

MODULES = sorted(path.stem for path in Path(research.stats.__path__[0]).glob("[a-z]*.py"))
HEAVY = ("jax", "flax", "transformers", "matplotlib")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_stats_loads_no_framework(module):
    code = (
        f"import sys, research.stats.{module}; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr
