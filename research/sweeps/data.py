"""The data of one run: its split, encoded for the model with the run's prompt."""

from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from research.errors import InputError
from research.evaluation.answering import Answering, answering_for, encoder_for
from research.evaluation.batch import Frame, frame
from research.methods.method import Words
from research.sweeps.approach import DRAWS
from research.sweeps.plan import Run
from research.sweeps.stage import Stage
from research.tasks.demonstrations import demonstrations
from research.tasks.encoded import Encoded
from research.tasks.form import Route
from research.tasks.sampling import Regime, Split, draw


@dataclass(frozen=True)
class RunData:
    """demonstrations: how many stand in the frame. added: tokens of the frame that are theirs."""

    split: Split
    train: Encoded
    dev: Encoded
    test: Encoded
    frame: Frame
    answering: Answering
    words: Words
    demonstrations: int
    added: int

    @property
    def cut(self) -> int:
        """How many texts, of all splits, were cut to fit."""
        return self.train.cut + self.dev.cut + self.test.cut


def run_data(
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    room: int,
    route: Route,
    stage: Stage | None = None,
) -> RunData:
    """Draws and encodes; `room` is the model's context less what methods take, in positions.

    stage: whose task, regime and template count, where it has its own. Raises InputError for a
    template the task does not have and for texts that do not fit.
    """
    task, regime, approach = run.cell.task, run.cell.regime, run.approach
    template = approach.template
    if stage is not None:
        task = task if stage.task is None else run.cell.tasks[stage.task]
        regime = regime if stage.regime is None else Regime.parse(stage.regime)
        template = template if stage.template is None else stage.template
    if not 0 <= template < len(task.templates):
        allowed = f"task {task.name} has the templates 0 to {len(task.templates) - 1}"
        raise InputError("template", template, allowed)
    split = draw(task, regime, run.seed, run.cell.experiment.max_dev)
    too_long = run.cell.experiment.too_long
    encoder = encoder_for(task, tokenizer, template, room=room, too_long=too_long, route=route)
    encoder = replace(encoder, room=room - len(encoder.closing))
    shown = ()
    if approach.demonstrations:
        longest, room = encoder.longest((*split.train, *split.dev, *task.test)), encoder.room
        beside = room - (longest if encoder.too_long == "error" else min(longest, room // 2))
        most = None if approach.demonstrations == "fit" else approach.demonstrations
        draw_seed = DRAWS * run.seed + approach.draw
        shown = demonstrations(encoder, split.train, beside, draw_seed, most)
    ids = encoder.opening(shown)
    encoder = replace(encoder, room=encoder.room - len(ids))
    return RunData(
        split,
        encoder.training(split.train),
        encoder.examples(split.dev),
        encoder.examples(task.test),
        frame(ids, encoder.closing, encoder.form.mask),
        answering_for(task, encoder),
        Words(tuple(map(task.verbalizer.continuation, task.labels)), encoder.ids),
        len(shown),
        len(ids) - len(encoder.opening(())),
    )
