"""The workloads of one side; PyTorch's side must not import JAX for them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Workloads(NamedTuple):
    """The workloads of one side and the counters of its library.

    Attributes:
        classes: Class of each workload by name; its arguments are folder, dtype and learning rate.
        device_peak_bytes: Peak bytes in use on the accelerator; None without one.
        compile_seconds: Seconds of compilation so far.
    """

    classes: Mapping[str, Any]
    device_peak_bytes: Callable[[], int | None]
    compile_seconds: Callable[[], float]
