"""Trains one run of an experiment, such as

    python scripts/train.py --config configs/quickstart.py --approach LoRA --learning_rate 0.01

Shows loss and dev score as it goes, keeps what was trained, and leaves in the results folder the
record that a sweep would leave, which then finds the run done. `--task`, `--regime`, `--seed` and
`--trial` (its number) say which run; without them it is the first of each. Where the experiment has
crossed seeds, `--order` and `--initialisation` are those of their own.
"""

import time

BEGUN = time.perf_counter()  # before imports, which are the most of a start

from absl import app, flags, logging  # noqa: E402

from research.common.errors import exit_on_input_error  # noqa: E402
from research.common.flags import read_config, read_flags, results_folder  # noqa: E402
from research.experiments.experiment import Experiment  # noqa: E402
from research.runtime.compilation_cache import keep_compiled  # noqa: E402
from research.runtime.process import prepare  # noqa: E402
from research.sweeps.single_run import RunRequest, train_run  # noqa: E402

APPROACH = flags.DEFINE_string("approach", None, "A row of the experiment.")
TASK = flags.DEFINE_string("task", None, "A task by name; default: the first.")
REGIME = flags.DEFINE_string("regime", None, "Such as 16-shot or 500; default: the first.")
RATE = flags.DEFINE_float("learning_rate", None, "The trial that has it.")
TRIAL = flags.DEFINE_integer("trial", 0, "Which of the approach's trials, from 0.")
SEED = flags.DEFINE_integer("seed", 0, "The seed.")
ORDER = flags.DEFINE_integer("order", None, "The order's own seed, of a run with crossed seeds.")
START = flags.DEFINE_integer("initialisation", None, "The initialisation's own seed, likewise.")


class SingleRunProgress:
    """Prints lines, and after the first how long the start took."""

    first = True

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        if self.first:
            print(f"first step after {time.perf_counter() - BEGUN:.1f} s", flush=True)
            self.first = False


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    logging.set_verbosity(logging.WARNING)
    keep_compiled()
    experiment = Experiment.parse(read_config())
    folder = results_folder(experiment.name)
    row = (APPROACH.value, TASK.value, REGIME.value, RATE.value, TRIAL.value)
    wanted = RunRequest(*row, SEED.value, ORDER.value, START.value)
    record = train_run(experiment, folder, wanted, SingleRunProgress())
    id, score = record.run_id, record.score("dev")
    print(f"{record.metric} on dev: {100 * (score or 0.0):.1f} ({record.status})")
    print(f"{folder / 'runs' / id}.json has the record")
    if record.costs.trained_params and (folder / "trained" / f"{id}.safetensors").exists():
        print(f"scripts/export.py --results {folder} --run {id} exports what it trained")


if __name__ == "__main__":
    app.run(main, flags_parser=read_flags)
