"""Makes the embedded checkpoint: `PYTHONPATH=. python scripts/pretrain.py --out /tmp/world-1m`.

Trains a tokenizer and a small decoder on the text of research/tasks/world and writes a folder in
Hugging Face format, with the figures in its README; see research/studies/pretraining. About ten
minutes on two cores.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

from pathlib import Path
from typing import Any

from absl import app, flags, logging
from rich.console import Console

from research.common.errors import InputError, exit_on_input_error
from research.runtime.process import prepare

OUT = flags.DEFINE_string("out", None, "Folder to write; must be new or empty.", required=True)
SETTINGS = (
    flags.DEFINE_integer("seed", 0, "Seed of the text and of the initial weights."),
    flags.DEFINE_integer("steps", 7000, "Optimizer steps."),
    flags.DEFINE_integer("batch", 4, "Rows of documents per step."),
    flags.DEFINE_integer("length", 256, "Tokens per row of documents; the model's context."),
    flags.DEFINE_integer("short_length", 64, "Tokens per row of documents at first."),
    flags.DEFINE_integer("exercise_length", 48, "Maximum number of tokens per row of exercises."),
    flags.DEFINE_float("short_share", 0.65, "Share of the steps with short rows."),
    flags.DEFINE_float("learning_rate", 3e-3, "Peak learning rate."),
    flags.DEFINE_float("weight_decay", 0.05, "Weight decay of matrices."),
    flags.DEFINE_integer("vocabulary", 1536, "Number of ids of the tokenizer."),
    flags.DEFINE_integer("width", 96, "Width of the residual stream."),
    flags.DEFINE_integer("layers", 3, "Number of layers."),
    flags.DEFINE_integer("heads", 4, "Attention heads; keys and values have half as many."),
    flags.DEFINE_integer("hidden", 256, "Width inside the MLP."),
)


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    # Imported here because --help needs no JAX.
    from research.runtime.memory import compute_in_caller
    from research.studies.pretraining.checkpoint import make_checkpoint
    from research.studies.pretraining.settings import PretrainingSettings

    logging.set_verbosity(logging.WARNING)
    folder = Path(OUT.value)
    if folder.exists() and any(folder.iterdir()):
        raise InputError("out", OUT.value, "the folder is not empty; name a new one")
    values: dict[str, Any] = {flag.name: flag.value for flag in SETTINGS}
    compute_in_caller()
    make_checkpoint(PretrainingSettings(**values), folder, _command(), Console())


def _command() -> str:
    """The flags that differ from their defaults, and the folder to write."""
    changed = [f"--{flag.name}={flag.value}" for flag in SETTINGS if flag.value != flag.default]
    return " ".join(["--out=world-1m", *changed])


if __name__ == "__main__":
    app.run(main)
