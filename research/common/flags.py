"""Command-line flags of an experiment: its config, its results folder, and general settings.

Every field of the config is a flag too, such as `--config.seeds=3`. `SETTINGS` are valid for every
experiment, also if its config leaves them out.
"""

import ast
import re
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from research.common.errors import InputError, exit_on_input_error
from research.common.json_io import parse_json


class _MappingParser(flags.ArgumentParser):
    """Parses a mapping of Python or JSON, such as a task; labels in it may have dots."""

    def parse(self, argument: Any) -> ConfigDict:
        if isinstance(argument, ConfigDict):
            return argument  # the default
        try:
            value = ast.literal_eval(argument)
        except (SyntaxError, ValueError):
            value = parse_json(argument)  # its error is a ValueError, which absl reports
        if not isinstance(value, dict):
            raise ValueError(f"{argument!r} is not a mapping such as {{'source': 'file'}}")
        return ConfigDict(value, allow_dotted_keys=True)


config_flags.register_flag_parser_for_type(ConfigDict, _MappingParser())
CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Config file of the experiment, such as configs/quickstart.py. Each of its fields is a flag, "
    "such as --config.seeds=3.",
    lock_config=True,
)
SETTINGS = (
    flags.DEFINE_bool("tensorboard", None, "Write metrics for TensorBoard as well."),
    flags.DEFINE_bool("keep_trained", None, "Keep the trained leaves of runs evaluated on test."),
    flags.DEFINE_bool("score_train", None, "Score approaches without training on train too."),
    flags.DEFINE_integer("workers", None, "Number of worker processes."),
    flags.DEFINE_string("held_out", None, "Text file to measure forgetting on, or world."),
    flags.DEFINE_integer("crossed_seeds", None, "Seeds of each source of variance, an odd number."),
)
RESULTS = flags.DEFINE_string("results", None, "Results folder; default: results/<name>.")


@exit_on_input_error
def read_flags(argv: list[str]) -> list[str]:
    """Parses the command line; returns the arguments that are not flags: the program's name.

    Raises InputError for an argument that is not a flag, and for a flag or a field of the config
    that is unknown or of the wrong type.
    """
    try:
        rest = flags.FLAGS(argv)
        if CONFIG.value is None:
            raise InputError("--config", None, "a file such as configs/quickstart.py is expected")
        CONFIG.value.to_dict()  # raises the error of a file that could not be loaded
    except (flags.Error, AttributeError, KeyError, OSError, ValueError) as error:
        while error.args and isinstance(error.args[0], Exception):
            error = error.args[0]
        _check_left_out(argv, error)
        if re.search(r"get_config\(\) takes \d+ positional arguments? but", str(error)):
            allowed = "the config file takes no such argument after the colon"
            raise InputError("command line", " ".join(argv[1:]), allowed) from error
        if "allow_dotted_keys" in str(error):
            allowed = "a name with a dot takes ConfigDict({...}, allow_dotted_keys=True)"
            raise InputError("config", " ".join(argv[1:]), allowed) from error
        reason = " ".join(str(error.args[0] if len(error.args) == 1 else error).split())
        raise InputError("command line", " ".join(argv[1:]), reason) from error
    if rest[1:]:
        raise InputError("command line", rest[1:], "only flags are expected, such as --config")
    return rest


def _check_left_out(argv: list[str], error: Exception) -> None:
    """Raises InputError if the error is about a field that the config file leaves out."""
    name = str(error.args[0] if error.args else "").strip("'")
    for argument in argv[1:]:
        path, _, value = argument.lstrip("-").partition("=")
        if path.startswith("config.") and path.endswith(f".{name}"):
            whole = path.removesuffix(f".{name}")
            allowed = (
                f"the config file leaves this field out, so it cannot be a flag; write it into the "
                f"file as {path} = {value or '...'}, or give all of --{whole} as a mapping"
            )
            raise InputError(f"--{path}", value, allowed) from error


def read_config() -> dict[str, Any]:
    """The config as plain data, with the values of the flags in `SETTINGS`."""
    settings = {flag.name: flag.value for flag in SETTINGS if flag.value is not None}
    return CONFIG.value.to_dict() | settings


def results_folder(name: str) -> Path:
    """The results folder of the experiment with this name."""
    return Path(RESULTS.value or f"results/{name}")
