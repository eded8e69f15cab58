"""Accelerators that a plan can be made for: arithmetic speed and memory."""

from typing import NamedTuple

from research.common.errors import InputError, choose_from

GB = 10**9


class DeviceKind(NamedTuple):
    """An accelerator, by its data sheet.

    Attributes:
        float32: peak FLOPs per second of matrix products of float32 inputs, as JAX computes them by
            default: in TF32 on NVIDIA GPUs since Ampere, in bfloat16 on TPUs.
        bfloat16: peak FLOPs per second of matrix products of bfloat16 inputs.
        memory: bytes of memory.
    """

    float32: float
    bfloat16: float
    memory: int


# Dense products, without sparsity. NVIDIA: data sheets of T4 (2019), V100 (2020), A100 80GB (2021),
# L4 (2023), H100 SXM (2023), H200 SXM (2024) and the Ada architecture's white paper for the RTX
# 4090. Google: https://cloud.google.com/tpu/docs/v4, v5e, v5p and v6e.
DEVICES = {
    "t4": DeviceKind(8.1e12, 8.1e12, 16 * GB),
    "v100": DeviceKind(15.7e12, 15.7e12, 32 * GB),
    "a100": DeviceKind(156e12, 312e12, 80 * GB),
    "l4": DeviceKind(60e12, 121e12, 24 * GB),
    "rtx4090": DeviceKind(82.6e12, 165e12, 24 * GB),
    "h100": DeviceKind(495e12, 989e12, 80 * GB),
    "h200": DeviceKind(495e12, 989e12, 141 * GB),
    "tpu-v4": DeviceKind(275e12, 275e12, 32 * GB),
    "tpu-v5e": DeviceKind(197e12, 197e12, 16 * GB),
    "tpu-v5p": DeviceKind(459e12, 459e12, 95 * GB),
    "tpu-v6e": DeviceKind(918e12, 918e12, 32 * GB),
}


def device_kind(name: str) -> DeviceKind:
    """The device of that name. Raises InputError for a name that is not in the table."""
    if name.lower() not in DEVICES:
        raise InputError("device", name, choose_from(DEVICES, name))
    return DEVICES[name.lower()]
