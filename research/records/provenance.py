"""Provenance of a run: library versions, commit and machine."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import research
from research.records.configuration import GitState, Hardware, Provenance

LIBRARIES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "transformers",
    "tokenizers",
    "datasets",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
    "sacrebleu",
)


@functools.cache
def provenance() -> Provenance:
    """Libraries, commit and machine of this process, computed once."""
    return Provenance(libraries(), git_state(), hardware())


def libraries() -> dict[str, str | None]:
    """Versions of Python and of the libraries that numbers depend on, None if not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def git_state(package: Path | None = None) -> GitState | None:
    """The commit of the code, and whether the package differs from it.

    Only the package's own folder counts as dirty: results and notes beside it change no number.
    None if no repository tracks the package, as when it is installed from a wheel.
    """
    package = package or Path(research.__path__[0])
    tracked = _git(package, "ls-files", "--", ".")
    commit = _git(package, "rev-parse", "HEAD")
    if not tracked or not commit:
        return None
    dirty = bool(_git(package, "status", "--porcelain", "--", "."))
    return GitState(commit, dirty)


def hardware() -> Hardware:
    """The machine, its JAX devices, and what else of them can change numbers."""
    import jax  # not at the top, since readers of records do not need it

    from research.runtime.memory import machine_bytes
    from research.runtime.threads import thread_count

    devices = jax.devices()
    return Hardware(
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count(),
        memory_bytes=machine_bytes(),
        device_kind=devices[0].device_kind,
        device_count=len(devices),
        xla_flags=tuple(os.environ.get("XLA_FLAGS", "").split()),
        threads=thread_count(),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git, None without git or where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The model name on Linux, elsewhere the name by the platform module."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
