"""Trains tested runs of a sweep again with PyTorch and PEFT, and compares the test answers.

    python scripts/agreement.py --config configs/smollm2.py:sst2 --row LoRA --regimes 256

Requires `pip install -e '.[benchmark]'` and a finished sweep of the config. `--row` names an
approach and can be repeated. The backbone is a decoder; an approach has one stage that trains LoRA,
a soft prompt or weights of the backbone. Writes agreement.md and the answers of each run to
results/agreement/NAME; a restart skips the runs whose answers are there.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import importlib.metadata
from pathlib import Path

from absl import app, flags, logging

import research.common.flags
from research.common.errors import InputError, exit_on_input_error
from research.common.files import write_atomically
from research.common.flags import read_config, read_flags, results_folder
from research.common.printable import printable
from research.runtime.process import prepare

flags.adopt_module_key_flags(research.common.flags)  # --help shows them too
ROWS = flags.DEFINE_multi_string("row", None, "An approach of the experiment; repeatable.")
REGIMES = flags.DEFINE_list("regimes", [], "Such as 16-shot,500; default: all.")
OUT = flags.DEFINE_string("out", "results/agreement", "Parent of the folder with the answers.")


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    if not ROWS.value:
        raise InputError("--row", None, "an approach of the experiment is expected")
    from research.experiments.experiment import Experiment
    from research.runtime.memory import compute_in_caller
    from research.studies.agreement.page import agreement_page
    from research.studies.agreement.study import AgreementStudy

    logging.set_verbosity(logging.WARNING)
    compute_in_caller()
    experiment = Experiment.parse(read_config())
    folder = Path(OUT.value) / experiment.name
    study = AgreementStudy(
        experiment=experiment,
        results=results_folder(experiment.name),
        answers=folder / "runs",
        approaches=ROWS.value,
        regimes=REGIMES.value,
        report=lambda line: print(printable(line), flush=True),
    )
    versions = importlib.metadata.version("torch"), importlib.metadata.version("peft")
    comparisons = []
    for comparison in study.comparisons():
        comparisons.append(comparison)
        text = agreement_page(comparisons, experiment.backbone, versions)
        write_atomically(folder / "agreement.md", text.encode())


if __name__ == "__main__":
    app.run(main, flags_parser=read_flags)
