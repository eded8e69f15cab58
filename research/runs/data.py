"""The data of one run: its splits, encoded for the model with one prompt."""

from collections.abc import Mapping
from dataclasses import dataclass

from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.batch import EncodedPrompts, PromptFrame
from research.evaluation.length_batches import BatchShapes
from research.evaluation.widths import scoring_shapes
from research.methods.method import Leaves, Words
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.row_format import RowFormat
from research.tasks.sampling import Split


@dataclass(frozen=True)
class RunData:
    """The encoded data of a run with one prompt.

    Attributes:
        split: the examples drawn for training and dev.
        train: encoded training examples.
        dev: encoded dev examples.
        test: encoded test examples.
        frame: ids around every row.
        neutral: ids around a content-free prompt.
        answerer: predicts the answers to rows.
        words: texts and ids of the labels.
        demonstrations: number of demonstrations before a row.
        added: tokens of the demonstrations.
        bos: whether BOS stands before a row; None if the backbone is not a decoder.
        row_format: how further rows are encoded and scored.
        beside_test: encoded examples of the further test splits; long texts are cut, since nothing
            checks them before training.
    """

    split: Split
    train: Encoded
    dev: Encoded
    test: Encoded
    frame: PromptFrame
    neutral: PromptFrame
    answerer: Answerer
    words: Words
    demonstrations: int
    added: int
    bos: bool | None
    row_format: RowFormat
    beside_test: Mapping[str, Encoded]

    def rows(self, split: str) -> Encoded:
        """The encoded examples of a split; of train as many as dev has."""
        if split == "train":
            return self.train.head(len(self.dev.length))
        return {"dev": self.dev, "test": self.test, **self.beside_test}[split]

    def prompts(self, rows: Encoded) -> EncodedPrompts:
        """Rows of this data with their frames."""
        return EncodedPrompts(rows, self.frame, self.neutral)

    def scoring_shapes(self, params: Leaves) -> BatchShapes:
        """The batches in which a backbone scores all splits, chosen by the test rows.

        The test rows are the same for all seeds and approaches, which share the programs.
        """
        tests = (self.test, *self.beside_test.values())
        return scoring_shapes(params, map(self.prompts, tests))

    @property
    def cut(self) -> int:
        """Number of truncated texts in all splits."""
        return self.train.cut + self.dev.cut + self.test.cut
