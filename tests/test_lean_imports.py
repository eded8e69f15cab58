"""What needs no model imports neither JAX nor transformers, so that it starts at once."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import research
from research.common import flags

HEAVY = ("jax", "transformers", "flax", "datasets", "sklearn")
LEAN = ("common", "stats", "tasks", "records")
# What a run needs late or not at all: its tokenizer, other sources of data, baselines and saving.
LATE = ("transformers", "datasets", "sklearn", "scipy", "orbax", "sacrebleu", "matplotlib", "torch")
SCRIPTS = sorted(file.stem for file in Path(research.__path__[0]).parent.glob("scripts/*.py"))


def loaded_by(code: str, names: tuple[str, ...] = HEAVY) -> str:
    """Those of the packages that a process has imported after `code`."""
    code = f"import sys\n{code}\nprint(*(name for name in {names!r} if name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("package", LEAN)
def test_a_package_without_models_is_lean(package):
    folder = [f"{research.__path__[0]}/{package}"]
    modules = [module.name for module in pkgutil.walk_packages(folder, f"research.{package}.")]
    assert modules
    assert loaded_by("\n".join(f"import {module}" for module in modules)) == ""


def test_a_run_starts_without_what_it_needs_late():
    code = "import research.sweeps.single_run"
    assert loaded_by(code) == "jax flax"
    assert loaded_by(code, LATE) == ""


HELP = """
import runpy
sys.argv = ["script", "--help"]
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit:
    pass
else:
    raise AssertionError("the script ran")
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_lean(script):
    file = f"{research.__path__[0]}/../scripts/{script}.py"
    assert loaded_by(HELP.format(script=file)) == ""


@pytest.mark.parametrize("script", ["sweep", "train"])
def test_help_shows_the_flags_of_other_modules(script):
    command = [sys.executable, f"{research.__path__[0]}/../scripts/{script}.py", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, env=os.environ).stdout
    names = [flag.name for flag in (flags.CONFIG, flags.RESULTS, *flags.SETTINGS)]
    shown = text.replace("[no]", "")
    assert [name for name in names if f"  --{name}:" not in shown] == []


def test_a_heavy_import_is_seen():
    assert "jax" in loaded_by("import research.runtime.devices")
