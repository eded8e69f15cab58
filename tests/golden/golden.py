"""What the golden file holds of each variant: see `make.py`, which writes it.

`{variant}/logits`: those that `sampled` takes, float32. `{variant}/loss`: cross-entropy summed over
the real positions. `{variant}/norms`: the norm of each leaf's gradient, leaves in order of name.
"""

from pathlib import Path

import numpy as np

from tests import checkpoints

FILE = Path(__file__).with_name("families.npz")


def sampled(logits: np.ndarray, given: dict[str, np.ndarray]) -> np.ndarray:
    """Every third of the logits at real positions: enough of each position to tell it apart."""
    return logits[checkpoints.outputs_valid(given)].ravel()[::3]
