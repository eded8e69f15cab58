"""What scripts on an experiment share on their command lines: its config and its results folder.

Every field of the config is a flag as well, such as `--config.seeds=3`; what any experiment may be
asked for beside it has a flag of its own.
"""

from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from research.common.errors import InputError, exit_on_input_error

CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.", lock_config=True)
BESIDE = (
    flags.DEFINE_bool("tensorboard", None, "Write metrics for TensorBoard as well."),
    flags.DEFINE_bool("keep_trained", None, "Keep what the runs that see test have trained."),
    flags.DEFINE_integer("workers", None, "How many cells run at the same time."),
    flags.DEFINE_string("held_out", None, "Text on which to see what training forgets, or world."),
    flags.DEFINE_integer("crossed_seeds", None, "Seeds of each source of variance, an odd number."),
)
RESULTS = flags.DEFINE_string("results", None, "Results folder; default: results/<name>.")


@exit_on_input_error
def read_flags(argv: list[str]) -> list[str]:
    """Parses the command line; returns what is no flag.

    Raises InputError for a flag or a field of the config that is unknown or of the wrong type.
    """
    try:
        rest = flags.FLAGS(argv)
        if CONFIG.value is None:
            raise InputError("--config", None, "a file such as configs/quickstart.py is expected")
        CONFIG.value.to_dict()  # a file that could not be loaded says so only here
    except (flags.Error, AttributeError, KeyError, OSError) as error:
        while error.args and isinstance(error.args[0], Exception):
            error = error.args[0]
        reason = " ".join(str(error.args[0] if len(error.args) == 1 else error).split())
        raise InputError("command line", " ".join(argv[1:]), reason) from error
    if rest[1:]:
        raise InputError("command line", rest[1:], "only flags are expected, such as --config")
    return rest


def read_config() -> dict[str, Any]:
    """The plain data of the config, with what flags of their own say of it."""
    own = {flag.name: flag.value for flag in BESIDE if flag.value is not None}
    return CONFIG.value.to_dict() | own


def results_folder(name: str) -> Path:
    """Where the results of the experiment of this name go."""
    return Path(RESULTS.value or f"results/{name}")
