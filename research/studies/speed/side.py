"""Starts one side of a case in a worker process, and asks it for steps."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from research.studies.speed.sides.worker import Measurement


class Side:
    """A worker process; calling it with a number of steps runs them and returns a `Measurement`."""

    def __init__(
        self,
        side: str,
        workload: str,
        folder: Path,
        dtype: str,
        learning_rate: float,
        flags: str = "",
        cache: Path | None = None,
    ):
        """Starts the worker.

        Args:
            side: `our_side` or `peft_side`.
            workload: A name in `WORKS` of the side.
            folder: The inputs of the case.
            dtype: dtype of frozen weights and operations.
            learning_rate: Learning rate.
            flags: XLA flags in addition to those of this process.
            cache: JAX's compilation cache; None: the worker compiles all programs.
        """
        settings = (side, workload, str(folder), dtype, str(learning_rate))
        command = [sys.executable, "-m", "research.studies.speed.sides.worker", *settings]
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
        # Two processes share an accelerator, so neither may reserve all of its memory.
        environment = {
            **os.environ,
            **quiet,
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "XLA_FLAGS": flags,
            "JAX_ENABLE_COMPILATION_CACHE": "false" if cache is None else "true",
        }
        if cache is not None:
            environment |= {
                "JAX_COMPILATION_CACHE_DIR": str(cache),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
        pipe = subprocess.PIPE
        self.name = f"{side} {workload}"
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def __call__(self, steps: int) -> Measurement:
        """Runs the steps. Raises RuntimeError if the process has ended or cannot use its inputs."""
        return Measurement(**self._answer(str(steps)))

    def compile(self) -> float:
        """Compiles the first step; returns the seconds. Raises RuntimeError as a call does."""
        return self._answer("compile")["seconds"]

    def profile(self) -> dict[str, float]:
        """Share of a step's time per kind of operation. Raises RuntimeError as a call does."""
        return self._answer("profile")

    def _answer(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended with exit code {self.process.wait()}")
        result = json.loads(answer)
        if "error" in result:
            self.close()
            raise RuntimeError(result["error"])
        return result

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
