"""Runs an experiment: `python scripts/sweep.py --config configs/quickstart.py`.

Executes the runs that are missing in the results folder, then prints and writes the comparison
table. A cell of which a run fails is tried once more at the end; where it fails again, the table
says so and the exit code is 1. Every field of the config is a flag, such as `--config.seeds=3`.
`--plan` runs nothing: it prints the number of runs, their trained parameters, and the estimated
time, memory and disk space, here or by `--device=h100` on another device.
`--questions=FOLDER` runs nothing either: it writes the test rows of each task, to be answered
elsewhere and read again by a row `answers`.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import sys
from pathlib import Path

from absl import app, flags, logging
from rich.console import Console

import research.common.flags
from research.common.errors import InputError, exit_on_input_error
from research.common.flags import read_config, read_flags, results_folder
from research.common.printable import printable
from research.runtime.process import prepare

flags.adopt_module_key_flags(research.common.flags)  # --help shows them too
PLAN = flags.DEFINE_bool("plan", False, "Print the planned runs without running them.")
DEVICE = flags.DEFINE_string(
    "device", None, "With --plan: another device, such as h100; default: this machine."
)
QUESTIONS = flags.DEFINE_string(
    "questions",
    None,
    "Write the test rows of each task to this folder, to be answered elsewhere, and run nothing.",
)


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    # Imported here because --help and worker processes, which import this file, need none.
    from research.evaluation.answer_sources.questions import write_questions
    from research.experiments.experiment import Experiment
    from research.experiments.prices import write_prices
    from research.reporting.build import write_tables
    from research.reporting.render.terminal import show
    from research.reporting.tables.dry_run import dry_run_tables
    from research.runtime.compilation_cache import keep_compiled
    from research.runtime.memory import compute_in_caller
    from research.runtime.threads import use_threads
    from research.sweeps.dry_run.dry_run import plan_only
    from research.sweeps.sweep import sweep

    logging.set_verbosity(logging.WARNING)
    experiment = Experiment.parse(read_config())
    if QUESTIONS.value is not None:
        for settings in experiment.tasks:
            print(write_questions(settings.load(), Path(QUESTIONS.value)))
        return
    use_threads(experiment.devices.threads)
    compute_in_caller()
    keep_compiled()
    folder = results_folder(experiment.name)
    if DEVICE.value is not None and not PLAN.value:
        raise InputError("device", DEVICE.value, "it is for --plan, which runs nothing")
    if PLAN.value:
        parts = experiment.by_backbone
        for table in dry_run_tables([plan_only(part, folder, DEVICE.value) for part in parts]):
            show(table, Console())
        return
    prices = experiment.prices
    failures = sweep(experiment, folder, Console())
    write_prices(folder, prices)
    for table in write_tables(folder):
        show(table, Console())
    for failure in failures:
        print(printable(f"error: {failure}"), file=sys.stderr)
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    app.run(main, flags_parser=read_flags)
