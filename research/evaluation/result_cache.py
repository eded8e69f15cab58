"""Results of predictors with one set of weights, by key."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from research.evaluation.decoding.generated import Generated


class ResultCache:
    """Computes each result of one set of weights at most one time, see `CachedPredictor`.

    Args:
        results: the results that are there from the start.
    """

    def __init__(self, results: Mapping[str, Any] | None = None):
        self.results: dict[str, Any] = dict(results or {})

    def __call__(self, key: str, compute: Callable[[], Any]) -> Any:
        """The result of `key`; calls `compute` if there is none."""
        if key not in self.results:
            self.results[key] = compute()
        return self.results[key]

    def plain(self) -> dict[str, Any]:
        """The results as plain data for JSON, from which `of_plain` has the same bits."""
        return {key: _plain(result) for key, result in self.results.items()}

    @classmethod
    def of_plain(cls, data: Mapping[str, Any]) -> "ResultCache":
        """The inverse of `plain`."""
        return cls({key: _of_plain(result) for key, result in data.items()})


def _plain(result: float | np.ndarray | Generated) -> Any:
    if isinstance(result, Generated):
        return [_plain(np.asarray(array)) for array in result]
    if not isinstance(result, np.ndarray):
        return result
    data = base64.b64encode(result.tobytes()).decode()
    return {"dtype": result.dtype.str, "shape": list(result.shape), "data": data}


def _of_plain(data: Any) -> Any:
    """A number, an array or generated texts."""
    if isinstance(data, list):
        return Generated(*map(_of_plain, data))
    if not isinstance(data, dict):
        return data
    flat = np.frombuffer(base64.b64decode(data["data"]), data["dtype"])
    return flat.reshape(data["shape"]).copy()  # which can be written to
