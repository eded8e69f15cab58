"""Every test runs strictly and on eight virtual CPU devices."""

import os
from pathlib import Path

import jax
import pytest

# Virtual devices that wait 40 seconds for one another end the process, as they do where a machine
# stands still for a while; a step here takes a tenth of a second, and one that hangs ends too.
PATIENCE = "--xla_cpu_collective_call_terminate_timeout_seconds=600"
os.environ["XLA_FLAGS"] = f"{PATIENCE} {os.environ.get('XLA_FLAGS', '')}"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tiny programs take longer to compile than to run.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and checkpoints, named by the environment variable ADAPTLAB_SHARED."""
    folder = os.environ.get("ADAPTLAB_SHARED")
    if not folder:
        pytest.skip("ADAPTLAB_SHARED is not set: real data and checkpoints are elsewhere")
    return Path(folder)
