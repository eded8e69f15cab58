"""Compiled programs are kept, where the user wants them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from research.runtime.compilation_cache import compiled_folder

CODE = """
import jax, jax.numpy as jnp
from research.runtime.compilation_cache import keep_compiled
from research.runtime.executable import Executable, compile_cache_hits, compiled_cost
keep_compiled()
program = Executable(jax.jit(lambda x: jnp.sin(x) @ x)).compiled(jnp.eye(8))
print(compile_cache_hits(), compiled_cost(program))
"""


def compiling(**told: str) -> str:
    """What a process says of a program: hits of the cache, and its costs."""
    env = {name: value for name, value in os.environ.items() if "COMPILATION_CACHE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env=env | {"JAX_PLATFORMS": "cpu"} | told,
    )
    return done.stdout.strip()


def test_a_second_process_finds_what_the_first_compiled(tmp_path: Path):
    """With the same costs on record."""
    said = [compiling(XDG_CACHE_HOME=str(tmp_path)).split(" ", 1) for _ in range(2)]
    (before, cost), (after, again) = said
    assert int(before) == 0 < int(after)
    assert cost == again and "'flops': 1" in cost
    [folder] = (tmp_path / "adaptlab" / "compiled").iterdir()
    assert list(folder.iterdir())


@pytest.mark.thorough
def test_the_user_may_say_where(tmp_path: Path):
    told = {"XDG_CACHE_HOME": str(tmp_path / "no"), "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    compiling(**told)
    assert not (tmp_path / "no").exists()


def test_programs_for_other_threads_are_kept_apart(monkeypatch: pytest.MonkeyPatch):
    here = compiled_folder()
    assert compiled_folder() == here
    monkeypatch.setenv("PJRT_NPROC", "77")
    assert compiled_folder() != here
    monkeypatch.undo()
    monkeypatch.setattr("research.runtime.compilation_cache._processor", lambda: "another")
    assert compiled_folder() != here


NO_HOME = """
import os, pwd

def getpwuid(uid):
    raise KeyError(uid)

pwd.getpwuid = getpwuid
os.environ.pop("HOME", None)
"""


def test_a_user_without_home_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Programs are kept among the temporary files, but not where others may write."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys.modules[__name__], "CODE", NO_HOME + CODE)
    hits = [int(compiling(TMPDIR=str(tmp_path)).split(" ", 1)[0]) for _ in range(2)]
    assert hits[0] == 0 < hits[1]
    [folder] = tmp_path.glob("adaptlab-cache-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert int(compiling(TMPDIR=str(tmp_path)).split(" ", 1)[0]) == 0
