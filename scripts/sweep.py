"""Runs an experiment: `python scripts/sweep.py --config configs/quickstart.py`.

Runs what is missing in the results folder, prints the comparison table and writes it there. Every
field of the config is a flag as well, such as `--config.seeds=3`. With `--plan` nothing is run: it
prints how many runs there would be, what they would train and about how long.
"""

from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags
from rich.console import Console

from research.compiled import keep_compiled
from research.errors import InputError, exit_on_input_error
from research.sweeps.experiment import Experiment
from research.sweeps.sweep import sweep

CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.", lock_config=True)
PLAN = flags.DEFINE_bool("plan", False, "Print what would run, and run nothing.")
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


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    # Here, since worker processes import this file as well and have no use for tables.
    from research.reporting.tables import write_tables
    from research.reporting.terminal import show

    logging.set_verbosity(logging.WARNING)
    keep_compiled()
    experiment = Experiment.parse(CONFIG.value.to_dict())
    folder = Path(RESULTS.value or f"results/{experiment.name}")
    if PLAN.value:
        from research.reporting.planned import lay_out_forecast
        from research.sweeps.forecast import forecast

        show(lay_out_forecast(forecast(experiment, folder)), Console())
        return
    sweep(experiment, folder, Console())
    for layout in write_tables(folder):
        show(layout, Console())


if __name__ == "__main__":
    app.run(main, flags_parser=read_flags)
