"""How far a run has come."""

import math
from dataclasses import dataclass, field


@dataclass
class Progress:
    """What a member has reached, in plain numbers, so that a checkpoint can carry it.

    best_loss breaks ties of best_score. history: (step, train loss, dev score, dev loss) at each
    evaluation. step_seconds: of each step. cost: of a step with the widest batch, see
    `research.executable.cost`; shape: the width of its rows and of their targets.
    evaluation_seconds: what scoring dev took, compilation apart.
    """

    steps: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    best_loss: float = math.inf
    without_gain: int = 0
    status: str = "running"
    history: list[list[float]] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    cost: dict[str, float | None] = field(default_factory=dict)
    shape: list[int] = field(default_factory=list)
    evaluation_seconds: float = 0.0

    def gained(self, step: int, score: float, loss: float, patience: int) -> bool:
        """Notes a dev evaluation; True if it is the best yet."""
        better = (score, -loss) > (self.best_score, -self.best_loss)
        if better:
            self.best_step, self.best_score, self.best_loss = step, score, loss
        self.without_gain = 0 if better else self.without_gain + 1
        if self.without_gain >= patience:
            self.status = "stopped"
        return better
