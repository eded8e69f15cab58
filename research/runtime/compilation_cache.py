"""Where compiled programs are kept from one process to the next."""

import hashlib
import os
from pathlib import Path

import jax

from research.runtime.threads import planned_threads


def keep_compiled() -> None:
    """Makes JAX keep what it compiles in the user's cache folder, unless it was told where.

    To be called before the first program is compiled. A second process then reads a step's program
    in the twentieth of the time that compiling it took.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(compiled_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compiled_folder() -> Path:
    """The folder for this processor and this number of threads: a program on CPU is compiled for
    both, and JAX's cache does not distinguish them.
    """
    made_for = f"{_processor()} {planned_threads()}"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "adaptlab" / "compiled" / hashlib.sha256(made_for.encode()).hexdigest()[:8]


def _processor() -> str:
    """What instructions the processor has, where Linux tells."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    told = ("model name", "flags", "Features")
    lines = info.read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(told)}))
