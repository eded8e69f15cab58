"""Every test runs strictly, on eight virtual CPU devices unless JAX_PLATFORMS says otherwise."""

import functools
import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read once, when huggingface_hub is imported

import jax
import pytest

from research.runtime.process import prepare
from tests.films import run, settings, write_inputs

# Virtual devices that wait 40 seconds for one another end the process, as they do where a machine
# stands still for a while; a step here takes a tenth of a second, and one that hangs ends too.
PATIENCE = "--xla_cpu_collective_call_terminate_timeout_seconds=600"
# The older way to make code of a fusion takes half of the time for a tiny program; XLA lost it in
# JAX 0.11.
QUICKLY = "--xla_cpu_use_fusion_emitters=false" if jax.__version_info__ < (0, 11) else ""
os.environ["XLA_FLAGS"] = f"{PATIENCE} {QUICKLY} {os.environ.get('XLA_FLAGS', '')}"
jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS") or "cpu")
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tiny programs take longer to compile than to run: here, and in processes that tests start.
jax.config.update("jax_disable_most_optimizations", True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
prepare()


# Of areas of memory in use; Linux gives a process 65530, a program takes about seven, and XLA ends
# with a segmentation fault where it gets no more.
MANY_AREAS = 20_000
TESTS = 25  # after so many tests the areas are counted, which takes up to 20 ms
finished = itertools.count(1)


@pytest.fixture(autouse=True)
def few_programs() -> Iterator[None]:
    """Lets go of the compiled programs of earlier tests when they have become many."""
    yield
    if next(finished) % TESTS:
        return
    areas = Path("/proc/self/maps")
    if not areas.is_file() or len(areas.read_bytes().splitlines()) < MANY_AREAS:
        return
    for cached in gc.get_objects():
        if not isinstance(cached, functools._lru_cache_wrapper):
            continue
        if cached.__module__.startswith("research"):
            cached.cache_clear()
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and checkpoints, named by the environment variable ADAPTLAB_SHARED."""
    folder = os.environ.get("ADAPTLAB_SHARED")
    if not folder:
        pytest.skip("ADAPTLAB_SHARED is not set: real data and checkpoints are elsewhere")
    return Path(folder)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Folder of SmolLM2-135M-Instruct, named by the environment variable ADAPTLAB_SMOLLM2."""
    folder = os.environ.get("ADAPTLAB_SMOLLM2")
    if not folder:
        pytest.skip("ADAPTLAB_SMOLLM2 is not set: the folder of SmolLM2-135M-Instruct is not known")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backbone, train.csv and test.csv."""
    return write_inputs(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def config(tiny: Path) -> dict[str, Any]:
    """The plain data of the experiment, to be changed at will."""
    return settings(tiny)


@pytest.fixture(scope="session")
def swept(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the experiment; to be copied, not changed."""
    return run(settings(tiny), tmp_path_factory.mktemp("swept"))
