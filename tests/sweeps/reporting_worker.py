"""A worker process that reports each batch it scores."""

from collections.abc import Sequence
from multiprocessing.connection import Connection

from research.sweeps import run_progress
from research.sweeps.worker import serve_commands


def serve_commands_reporting_each_batch(connection: Connection, cores: Sequence[int]) -> None:
    """Serves commands as `serve_commands` does, with no least time between reports."""
    run_progress.SCORING_SECONDS = 0.0
    serve_commands(connection, cores)
