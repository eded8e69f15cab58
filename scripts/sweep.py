"""Runs an experiment: `python scripts/sweep.py --config configs/quickstart.py`.

Runs what is missing in the results folder, prints the comparison table and writes it there.
"""

from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags
from rich.console import Console

from research.errors import exit_on_input_error
from research.reporting.tables import write_tables
from research.reporting.terminal import show
from research.sweeps.experiment import Experiment
from research.sweeps.sweep import sweep

CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.", lock_config=True)
RESULTS = flags.DEFINE_string("results", None, "Results folder; default: results/<name>.")


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    experiment = Experiment.parse(CONFIG.value.to_dict())
    folder = Path(RESULTS.value or f"results/{experiment.name}")
    sweep(experiment, folder, Console())
    show(write_tables(folder), Console())


if __name__ == "__main__":
    app.run(main)
