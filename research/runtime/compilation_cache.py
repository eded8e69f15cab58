"""Folder in which compiled programs are cached between processes."""

from pathlib import Path

import jax

from research.common.cache_folder import cache_folder, is_private
from research.common.hashing import sha256
from research.runtime.threads import configured_threads


def keep_compiled() -> None:
    """Sets JAX's persistent compilation cache to `compiled_folder`, unless the user has set one.

    It is called before the first program is compiled. A later process reads the program of a step
    in a twentieth of the time of compiling it. Nothing is cached if the folder could be changed by
    another user, since JAX runs what it reads there.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None and is_private(cache_folder()):
        jax.config.update("jax_compilation_cache_dir", str(compiled_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compiled_folder() -> Path:
    """The folder for this processor and this number of threads: a program on CPU is compiled for
    both, and JAX's cache does not distinguish them.
    """
    made_for = f"{_processor()} {configured_threads()}"
    digest = sha256(made_for.encode())[:8]
    return cache_folder() / "adaptlab" / "compiled" / digest


def _processor() -> str:
    """Model and instruction sets of the processor; empty on systems other than Linux."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    fields = ("model name", "flags", "Features")
    lines = info.read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(fields)}))
