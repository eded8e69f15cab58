"""Folder in which compiled programs are cached between processes."""

import os
import tempfile
from pathlib import Path

import jax

from research.common.hashing import sha256
from research.runtime.threads import configured_threads


def keep_compiled() -> None:
    """Sets JAX's persistent compilation cache to `compiled_folder`, unless the user has set one.

    It is called before the first program is compiled. A later process reads the program of a step
    in a twentieth of the time of compiling it. Nothing is cached if the folder could be changed by
    another user, since JAX runs what it reads there.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None and _is_private(_cache_folder()):
        jax.config.update("jax_compilation_cache_dir", str(compiled_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compiled_folder() -> Path:
    """The folder for this processor and this number of threads: a program on CPU is compiled for
    both, and JAX's cache does not distinguish them.
    """
    made_for = f"{_processor()} {configured_threads()}"
    digest = sha256(made_for.encode())[:8]
    return _cache_folder() / "adaptlab" / "compiled" / digest


def _cache_folder() -> Path:
    """The user's cache folder; without a home folder, one among the temporary files."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # HOME is not set and the user has no entry in the system's list
        return Path(tempfile.gettempdir()) / f"adaptlab-cache-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    """Whether a folder is outside the temporary files, or belongs to this user alone."""
    if folder.parent != Path(tempfile.gettempdir()):
        return True
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _processor() -> str:
    """Model and instruction sets of the processor; empty on systems other than Linux."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    fields = ("model name", "flags", "Features")
    lines = info.read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(fields)}))
