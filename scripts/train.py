"""Trains one run of an experiment, such as

    python scripts/train.py --config configs/quickstart.py --approach LoRA --learning_rate 0.01

Prints loss and dev score during training, keeps the trained leaves and writes the record that a
sweep would write; a later sweep does not train the run again. `--backbone`, `--task`, `--regime`,
`--seed` and `--trial` select the run, by default the first of each. In an experiment with crossed
seeds, `--order` and `--initialisation` set these seeds apart from `--seed`.
"""

import time
from typing import TYPE_CHECKING

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

BEGUN = time.perf_counter()  # before imports, which are the most of a start

from absl import app, flags, logging  # noqa: E402

import research.common.flags  # noqa: E402
from research.common.errors import exit_on_input_error  # noqa: E402
from research.common.flags import read_config, read_flags, results_folder  # noqa: E402
from research.common.printable import printable  # noqa: E402
from research.runtime.process import prepare  # noqa: E402

if TYPE_CHECKING:
    from research.sweeps.run_progress import RunProgress

flags.adopt_module_key_flags(research.common.flags)  # --help shows them too
APPROACH = flags.DEFINE_string("approach", None, "A row of the experiment.")
BACKBONE = flags.DEFINE_string("backbone", None, "One of several backbones; default: the first.")
TASK = flags.DEFINE_string("task", None, "A task by name; default: the first.")
REGIME = flags.DEFINE_string("regime", None, "Such as 16-shot or 500; default: the first.")
RATE = flags.DEFINE_float("learning_rate", None, "Learning rate of the trial.")
TRIAL = flags.DEFINE_integer("trial", 0, "Number of the trial, from 0.")
SEED = flags.DEFINE_integer("seed", 0, "The seed.")
ORDER = flags.DEFINE_integer("order", None, "Seed of the order, in a run with crossed seeds.")
INITIALISATION = flags.DEFINE_integer(
    "initialisation", None, "Seed of the initialisation, in a run with crossed seeds."
)


SCORING_EVERY = 10.0  # seconds before a line about scoring


class SingleRunProgress:
    """Prints progress lines, and after the first step the seconds since the start."""

    def __init__(self) -> None:
        self.first, self.printed_at = True, time.monotonic()

    def __call__(self, progress: "RunProgress") -> None:
        if progress.scoring and time.monotonic() - self.printed_at < SCORING_EVERY:
            return
        self.printed_at = time.monotonic()
        print(printable(progress.line), flush=True)
        if self.first and not progress.scoring:
            print(f"first step after {time.perf_counter() - BEGUN:.1f} s", flush=True)
            self.first = False


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    from research.experiments.experiment import Experiment
    from research.runtime.compilation_cache import keep_compiled
    from research.runtime.memory import compute_in_caller
    from research.runtime.threads import use_threads
    from research.sweeps.single_run import RunRequest, train_run

    logging.set_verbosity(logging.WARNING)
    experiment = Experiment.parse(read_config())
    use_threads(experiment.devices.threads)
    compute_in_caller()
    keep_compiled()
    folder = results_folder(experiment.name)
    request = RunRequest(
        approach=APPROACH.value,
        task=TASK.value,
        regime=REGIME.value,
        learning_rate=RATE.value,
        trial=TRIAL.value,
        seed=SEED.value,
        order=ORDER.value,
        initialisation=INITIALISATION.value,
        backbone=BACKBONE.value,
    )
    record = train_run(experiment, folder, request, SingleRunProgress())
    id, score = record.run_id, record.score("dev")
    dev = "no score" if score is None else f"{100 * score:.1f}"
    print(f"{record.metric} on dev: {dev} ({record.status})")
    print(f"{folder / 'runs' / id}.json has the record")
    if record.costs.trained_params and (folder / "trained" / f"{id}.safetensors").exists():
        print(f"scripts/export.py --results {folder} --run {id} exports what it trained")


if __name__ == "__main__":
    app.run(main, flags_parser=read_flags)
