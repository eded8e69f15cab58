"""Programs of XLA on CPU find the memory of their last call again."""

import resource
import sys

import jax
import jax.numpy as jnp
import pytest

from research.heap import keep_freed_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="settings of glibc")
def test_later_calls_touch_no_new_pages():
    """The temporary is 64 MB: 16,384 pages of 4 kB, which each call would take anew. The heap may
    grow in the first calls, as what a call frees comes back a little later.
    """
    assert keep_freed_memory()  # as it is when research is imported; a second time changes nothing
    program = jax.jit(lambda a, b, c: jnp.tanh(a @ b) @ c)
    inputs = jnp.ones((4096, 64)), jnp.ones((64, 4096)), jnp.ones((4096, 1))
    touched = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
    for _ in range(20):
        program(*inputs).block_until_ready()
        touched.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    assert touched[-1] - touched[-9] < 8 * 16384 / 4
