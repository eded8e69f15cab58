"""Rectangles of a panel, to find labels that overlap: arrays [N, 4] of left, top, right, bottom."""

from collections.abc import Sequence

import numpy as np

from research.reporting.figures.geometry import Position


def around(positions: Sequence[Position] | np.ndarray, radius: float) -> np.ndarray:
    """Squares [..., 4] around positions [..., 2]."""
    at = np.asarray(positions, float)
    return np.concatenate([at - radius, at + radius], axis=-1)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether boxes [..., 4] share an area with others [N, 4]; [..., N]."""
    left, top, right, bottom = np.moveaxis(boxes[..., None, :], -1, 0)
    across = np.minimum(right, others[:, 2]) > np.maximum(left, others[:, 0])
    return across & (np.minimum(bottom, others[:, 3]) > np.maximum(top, others[:, 1]))


def distances(boxes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Distances [B, N] of boxes [B, 4] from positions [N, 2]; 0 within a box."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    x, y = np.moveaxis(np.maximum(np.maximum(low - positions, positions - high), 0), -1, 0)
    return np.hypot(x, y)
