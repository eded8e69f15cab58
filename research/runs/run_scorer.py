"""Answers of a run to its splits, with its present leaves and with the unadapted backbone."""

from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.batched_model import BatchReport, ignore_batches
from research.evaluation.predictor import AdaptedWeights
from research.runs.predict import PromptPredictor
from research.runs.scoring_progress import ScoringCounter, ScoringReport, ignore_scoring
from research.runs.state import RunState
from research.runtime.clock import spent_on
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded


class RunScorer:
    """Answers splits with the present leaves of a run.

    Args:
        state: the state of the run.
        report: called after each batch of scoring.
    """

    def __init__(self, state: RunState, report: ScoringReport = ignore_scoring):
        self.report, self.counter = report, ScoringCounter((), report)
        self.state, self.context, self.task = state, state.context, state.run.cell.task
        self.kind = answer_kind(self.task, state.approach.answering)

    def calls(self) -> list[Call]:
        """Calls of the programs that score the run, one of each shape."""
        splits = ("dev", *self.scored_train, *self.task.tests)
        calls = [call for split in splits for call in self.predictor().calls(self._rows(split))]
        if self.compared:
            calls += self.predictor(trained=False).calls(self._rows("dev"))
        return calls

    @spent_on("scoring")
    def score(self, split: str, trained: bool = True) -> Answers:
        """Answers of the present leaves, or of the unadapted backbone.

        Args:
            split: train (as many rows as dev has), dev, or one of `Task.tests`.
            trained: False for the unadapted backbone.
        """
        rows, name = self._rows(split), split if trained else f"{split} without training"
        return self.predictor(trained, self.counter.begin(name, rows)).answers(rows)

    def expect(self, *splits: str) -> None:
        """Sets the splits that are scored next, in this order."""
        self.counter = ScoringCounter([self._rows(split) for split in splits], self.report)

    @property
    def compared(self) -> bool:
        """Whether dev is scored with the unadapted backbone too."""
        return bool(self.state.approach.stages) and self.state.route != "head"

    def predictor(
        self, trained: bool = True, report: BatchReport = ignore_batches
    ) -> PromptPredictor:
        """A predictor with the present leaves, or with the unadapted backbone."""
        present = AdaptedWeights(self.state.methods(), self.state.leaves)
        weights = present if trained else self._untrained()
        adapted = trained and self.state.approach.stages
        results = self.state.results if adapted else None
        normalisation, prompts = self.state.approach.normalisation, self.state.prompts
        return PromptPredictor(
            self.context, self.kind, prompts, normalisation, weights, results, report
        )

    def _untrained(self) -> AdaptedWeights:
        """The unadapted backbone. Methods that change nothing before training stay, so that the
        programs for scoring are not compiled again without them.
        """
        methods, params = self.state.methods(), self.context.backbone.params
        if not all(method.neutral for method in methods):
            return AdaptedWeights(self.state.methods(0), params)
        prefixes = tuple(f"{method.name}:" for method in methods)
        added = {p: x for p, x in self.state.initial.items() if p.startswith(prefixes)}
        return AdaptedWeights(methods, params | added)

    def _rows(self, split: str) -> list[Encoded]:
        """The rows of a split for each prompt."""
        return [prompt.rows(split) for prompt in self.state.prompts]

    @property
    def scored_train(self) -> tuple[str, ...]:
        """("train",) for approaches that train, and for all if the experiment asks for it."""
        scored = self.state.approach.stages or self.state.run.cell.experiment.score_train
        return ("train",) if scored else ()
