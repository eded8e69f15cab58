"""The data of one run: its split, encoded for the model with the run's prompt."""

from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from research.errors import InputError
from research.evaluation.batch import Labels, Prefix, prefix
from research.sweeps.approach import DRAWS
from research.sweeps.plan import Run
from research.tasks.encoding import Encoded, Encoder, demonstrations
from research.tasks.sampling import Split, draw


@dataclass(frozen=True)
class RunData:
    """demonstrations: how many stand in the prefix. added: tokens of the prefix beside BOS."""

    split: Split
    train: Encoded
    dev: Encoded
    test: Encoded
    prefix: Prefix
    labels: Labels
    demonstrations: int
    added: int

    @property
    def cut(self) -> int:
        """How many texts, of all splits, were cut to fit."""
        return self.train.cut + self.dev.cut + self.test.cut


def run_data(run: Run, tokenizer: PreTrainedTokenizerBase, room: int) -> RunData:
    """Draws and encodes; `room` is the model's context less the soft prompt, in positions.

    Raises InputError for a template the task does not have and for texts that do not fit.
    """
    task, approach = run.cell.task, run.approach
    if not 0 <= approach.template < len(task.templates):
        allowed = f"task {task.name} has the templates 0 to {len(task.templates) - 1}"
        raise InputError("template", approach.template, allowed)
    split = draw(task, run.cell.regime, run.seed, run.cell.experiment.max_dev)
    encoder = Encoder(
        tokenizer,
        task.templates[approach.template],
        task.verbalizer,
        task.labels,
        room,
        run.cell.experiment.too_long,
    )
    shown = ()
    if approach.demonstrations:
        longest = encoder.longest((*split.train, *split.dev, *task.test))
        beside = room - (longest if encoder.too_long == "error" else min(longest, room // 2))
        most = None if approach.demonstrations == "fit" else approach.demonstrations
        draw_seed = DRAWS * run.seed + approach.draw
        shown = demonstrations(encoder, split.train, beside, draw_seed, most)
    ids = encoder.prefix(shown)
    encoder = replace(encoder, room=room - len(ids))
    tokens, length = encoder.label_tokens()
    return RunData(
        split,
        encoder.examples(split.train),
        encoder.examples(split.dev),
        encoder.examples(task.test),
        prefix(ids),
        Labels(tokens, length),
        len(shown),
        len(ids) - len(encoder.prefix(())),
    )
