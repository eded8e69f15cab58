"""Learning rates step by step against the schedules of transformers."""

import numpy as np
import pytest
import torch
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from research.training.optimizer import Schedule, learning_rate_at

PEAK = 0.01


def theirs(decay: str, steps: int, warmup_steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    if decay == "constant":
        schedule = get_constant_schedule_with_warmup(optimizer, warmup_steps)
    elif decay == "linear":
        schedule = get_linear_schedule_with_warmup(optimizer, warmup_steps, steps)
    else:
        schedule = get_cosine_schedule_with_warmup(optimizer, warmup_steps, steps)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("steps, warmup_steps", [(40, 10), (17, 0), (8, 8), (30, 1), (1, 1)])
def test_each_step_has_the_same_rate(decay: str, steps: int, warmup_steps: int):
    schedule = Schedule(
        steps=steps, warmup=warmup_steps / steps, decay=decay, warmup_from_zero=True
    )
    ours = [float(learning_rate_at(schedule, np.float32(PEAK), step)) for step in range(steps)]
    assert ours == pytest.approx(theirs(decay, steps, warmup_steps), rel=1e-5, abs=1e-9)


def test_by_default_the_first_step_trains():
    schedule = Schedule(steps=40, warmup=0.25, decay="linear")
    ours = [float(learning_rate_at(schedule, np.float32(PEAK), step)) for step in range(40)]
    assert ours[:10] == pytest.approx([PEAK * step / 10 for step in range(1, 11)], rel=1e-5)
    assert theirs("linear", 40, 10)[0] == 0.0 < ours[0]
