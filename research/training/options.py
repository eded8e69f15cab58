"""Options of training, apart from the compiled program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.batched_model import BatchReport, ignore_batches
from research.evaluation.length_batches import EQUAL_ROWS, BatchShapes
from research.evaluation.trunk.trunk import Trunk
from research.runtime.devices import Devices
from research.runtime.executable import Call
from research.training.batches import Shapes
from research.training.checkpoint import Checkpoints
from research.training.member import MemberProgress

Report = Callable[[int, Sequence[MemberProgress]], None]  # of a step and all members' progress


@dataclass(frozen=True)
class FitOptions:
    """Options of `fit`.

    Attributes:
        devices: the devices to train and evaluate on.
        answerer: answers dev, and gives the width of targets.
        metric: the dev metric that chooses the best state.
        checkpoints: the checkpoints to write and to resume from; None for none.
        report: called with the step and the progress of all members after the first step and after
            each evaluation.
        report_scoring: called after each batch of scoring dev.
        shapes: the batch shapes of the members' whole cohort; None if these members are all of it.
        compile_ahead: called before the first step with the calls of the step for each batch width
            up to the first evaluation; None for no call.
        trunk: keeps hidden states below the trained leaves; None to compute them each time.
        scoring_shapes: of the batches in which dev is answered.
    """

    devices: Devices
    answerer: Answerer
    metric: str
    checkpoints: Checkpoints | None = None
    report: Report = lambda step, progress: None
    report_scoring: BatchReport = ignore_batches
    shapes: Shapes | None = None
    compile_ahead: Callable[[Sequence[Call]], None] | None = None
    trunk: Trunk | None = None
    scoring_shapes: BatchShapes = EQUAL_ROWS
