"""The batches in which states of the trunk are computed."""

import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts
from research.evaluation.length_batches import EQUAL_ROWS, BatchShapes
from research.evaluation.trunk.computation import BATCH, missing_batches
from tests.tiny import FRAME, encoded

PROMPTS = EncodedPrompts(encoded(40), FRAME)
TOKENS = np.where(np.arange(40) % 4, 20, 50)


@pytest.mark.parametrize(
    "shapes, sizes",
    [(EQUAL_ROWS, {32: BATCH, 64: BATCH}), (BatchShapes(positions=256), {32: 8, 64: 4})],
)
def test_the_shape_of_a_rows_batch_depends_on_the_row_alone(
    shapes: BatchShapes, sizes: dict[int, int]
):
    for missing in (range(40), range(5), [3]):
        rows = []
        for indices, batch in missing_batches(PROMPTS, TOKENS, list(missing), 3, 1, shapes):
            size, width = batch.tokens.shape
            assert sizes[width] == size >= len(indices)
            assert (TOKENS[indices] < width).all()
            rows += indices.tolist()
        assert sorted(rows) == list(missing)
