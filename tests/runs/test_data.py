"""How much room the rows of a run have."""

import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.experiments.plan import cells
from research.runs.data import room, run_data
from tests import films


@pytest.mark.parametrize(
    "context, taken, most, left",
    [
        (64, 10, None, 54),
        (64, 10, 60, 54),
        (64, 10, 40, 40),
        (None, 100, None, 412),
        (None, 100, 512, 512),
    ],
)
def test_what_is_left_for_a_row(context, taken, most, left: int):
    """A backbone that takes any number of positions has as many as are asked for, and a prompt."""
    assert room(context, taken, most) == left


def test_rows_of_at_most_so_many_tokens(config: dict):
    def longest(**changes) -> int:
        experiment = Experiment.parse(config | changes)
        tasks = {task.name: task.load() for task in experiment.tasks}
        cell = next(cells(experiment, tasks, ""))
        left = room(64, 0, experiment.max_tokens)
        data = run_data(cell.search()[0], films.tokenizer(), left, "causal")
        # BOS stands before each row.
        return 1 + int(max(part.length.max() for part in (data.train, data.dev, data.test)))

    whole = longest()
    assert longest(max_tokens=whole) == whole
    assert longest(max_tokens=whole - 2, too_long="cut") == whole - 2
    with pytest.raises(InputError, match="too_long is 'error': .* longer than the"):
        longest(max_tokens=whole - 2)
