"""Where compiled programs are kept from one process to the next."""

import hashlib
import os
from pathlib import Path

import jax


def keep_compiled() -> None:
    """Makes JAX keep what it compiles in the user's cache folder, unless it was told where.

    To be called before the first program is compiled. A second process then reads a step's program
    in the twentieth of the time that compiling it took.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(compiled_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compiled_folder() -> Path:
    """Of this machine's processor and so many of its cores: a program on CPU is made for both, and
    JAX would not tell such programs apart.
    """
    made_for = f"{_processor()} {len(cores())}"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "adaptlab" / "compiled" / hashlib.sha256(made_for.encode()).hexdigest()[:8]


def cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _processor() -> str:
    """What instructions the processor has, where Linux tells."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    told = ("model name", "flags", "Features")
    lines = info.read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(told)}))
