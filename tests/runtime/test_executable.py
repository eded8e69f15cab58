"""What a program costs to compile, and how often it is compiled."""

import fcntl
import gc
import os
import subprocess
import sys
import threading
import weakref

import jax
import jax.numpy as jnp
import pytest

from research.runtime import compile_lock, executable
from research.runtime.executable import (
    Call,
    Executable,
    compile_ahead,
    compile_seconds,
    compiled_cost,
)
from research.runtime.loaded_programs import BYTES_PER_EQUATION, LoadedPrograms, program_bytes


def test_each_set_of_shapes_compiles_once():
    traced = []
    square = Executable(jax.jit(lambda x: (traced.append(x.shape), x @ x)[1]))
    for size in (2, 3, 2, 3):
        assert square(jnp.eye(size)).shape == (size, size)
    assert traced == [(2, 2), (3, 3)]


def test_compiling_is_timed_and_running_is_not():
    double = Executable(jax.jit(lambda x: 2 * x))
    before = compile_seconds()
    double(jnp.ones(3))
    after = compile_seconds()
    double(jnp.ones(3))
    assert before < after == compile_seconds()


def test_cost_counts_a_product():
    product = Executable(jax.jit(lambda a, b: a @ b))
    told = compiled_cost(product.compiled(jnp.ones((4, 5)), jnp.ones((5, 6))))
    assert told["flops"] == 2 * 4 * 5 * 6
    assert (told["argument_bytes"], told["output_bytes"]) == (4 * (4 * 5 + 5 * 6), 4 * 4 * 6)


def test_what_another_process_compiles_comes_last(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Of two programs the second is compiled first, and the first once the other lets it go."""
    monkeypatch.setattr(compile_lock, "_folder", tmp_path)
    traced = []
    square = Executable(jax.jit(lambda x: (traced.append(len(x)), x @ x)[1]))
    assert square.compile_unless_busy(jnp.eye(1))
    [first] = tmp_path.iterdir()
    assert square.compile_unless_busy(jnp.eye(2))
    [second] = {*tmp_path.iterdir()} - {first}
    again = Executable(square.function)
    calls = [Call(again, (jnp.eye(size),)) for size in (2, 1, 3)]
    with second.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not again.compile_unless_busy(jnp.eye(2))
        threading.Timer(0.3, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        compile_ahead(calls)
    order = list(again._compiled)
    assert [shapes[0][0][0] for _, shapes in order] == [1, 3, 2]


def test_hits_of_the_persistent_cache_are_counted(tmp_path):
    code = (
        "import jax, jax.numpy as jnp; from research.runtime.executable import *; "
        "Executable(jax.jit(lambda x: jnp.sin(x) @ x))(jnp.eye(8)); print(compile_cache_hits())"
    )
    cache = {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **cache},
        ).stdout.strip()
        for _ in range(2)
    )
    assert first == "0" and int(second) >= 1


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> LoadedPrograms:
    """Room for two programs of one equation."""
    programs = LoadedPrograms(2 * BYTES_PER_EQUATION, least_programs=1)
    monkeypatch.setattr(executable, "LOADED", programs)
    return programs


def test_the_longest_unused_program_is_dropped_from_memory(little_room: LoadedPrograms):
    compilations = []
    double = Executable(jax.jit(lambda x: (compilations.append(len(x)), 2 * x)[1]))
    programs = {size: weakref.ref(double.compiled(jnp.ones(size))) for size in (1, 2)}
    double(jnp.ones(1))
    jax.clear_caches()  # of traces, so that a second compilation shows
    double(jnp.ones(3))
    gc.collect()
    assert programs[1]() is not None and programs[2]() is None
    assert double(jnp.ones(2)).tolist() == [2, 2]
    assert compilations == [1, 2, 3, 2]


def test_a_program_that_alone_is_too_large_stays(little_room: LoadedPrograms):
    compilations = []
    power = Executable(jax.jit(lambda x: (compilations.append(1), x * x * x * x + x)[1]))
    assert [power(jnp.ones(1)).item() for _ in range(3)] == [2, 2, 2]
    assert compilations == [1]


def test_programs_of_an_executable_that_is_gone_need_no_room(little_room: LoadedPrograms):
    double = Executable(jax.jit(lambda x: 2 * x))
    double(jnp.ones(1))
    assert little_room.bytes == BYTES_PER_EQUATION
    del double
    gc.collect()
    assert little_room.bytes == 0


def test_equations_within_loops_and_calls_count():
    def inner(x: jax.Array, _: None) -> tuple[jax.Array, None]:
        return jax.jit(lambda y: y * 2 + 1)(x), None

    jaxpr = jax.make_jaxpr(lambda x: jax.lax.scan(inner, x, length=3)[0] - 1)(1.0)
    # The scan and the difference; the call within the scan; the product and the sum within that.
    assert program_bytes(jaxpr) == 5 * BYTES_PER_EQUATION
