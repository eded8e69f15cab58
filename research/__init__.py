"""adaptlab: measures every way to adapt a pretrained language model."""

import logging

from research.runtime.memory import collect_rarely, keep_freed_memory


def _about_something_else(record: logging.LogRecord) -> bool:
    """False for the message that PyTorch is missing: it is not needed."""
    return "PyTorch was not found" not in record.getMessage()


# Here, so that it is in place whichever module is the first to import transformers.
logging.getLogger("transformers").addFilter(_about_something_else)
# Before the first threads of XLA, whose arenas stay.
keep_freed_memory()
collect_rarely()
