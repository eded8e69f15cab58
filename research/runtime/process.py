"""Settings of a process that runs experiments."""

import logging

from research.runtime.memory import collect_rarely, keep_freed_memory


def prepare() -> None:
    """Sets memory allocation, garbage collection and logging for running experiments.

    Scripts and their worker processes call it before anything else. Importing the package changes
    none of these, so they stay as they are in a notebook.
    """
    keep_freed_memory()  # before XLA starts its first threads, whose arenas stay
    collect_rarely()
    logging.getLogger("transformers").addFilter(_is_not_about_torch)


def _is_not_about_torch(record: logging.LogRecord) -> bool:
    """False for the message that PyTorch is missing: it is not needed."""
    return "PyTorch was not found" not in record.getMessage()
