"""Linear layers, the table of token embeddings and the output layer."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

INITIAL = nn.initializers.normal(0.02)  # as in `LlamaConfig`


def flat_product(inputs: Array, kernel: Array, *dimensions: Any, **options: Any) -> Array:
    """[..., F] of inputs [..., D] and a kernel [D, F], as a product of two matrices.

    Then the kernel's gradient is such a product too. Otherwise XLA computes its operands a second
    time, transposed, which takes a third of a step that trains all parameters.
    """
    del dimensions  # of `nn.Dense`: the last of the inputs and the first of the kernel
    flat = inputs.reshape(-1, inputs.shape[-1])
    product = jax.lax.dot_general(flat, kernel, (((1,), (0,)), ((), ())), **options)
    return product.reshape(*inputs.shape[:-1], kernel.shape[-1])


linear = partial(nn.Dense, kernel_init=INITIAL, dot_general=flat_product)


def token_table(config: Any) -> nn.Embed:
    """The embeddings of `config.vocab_size` tokens, the leaf `embed/embedding`."""
    return nn.Embed(config.vocab_size, config.width, embedding_init=INITIAL, name="embed")


def output_head(config: Any) -> nn.Dense:
    """The output layer of a model without tied embeddings: logits of all tokens in float32."""
    float32_out = partial(jax.lax.dot_general, preferred_element_type=jnp.float32)
    return linear(config.vocab_size, use_bias=False, dot_general=float32_out)


def by_table(hidden: Array, table: Array) -> Array:
    """[..., V] in float32: products of hidden states [..., D] with the rows of `table` [V, D]."""
    return jnp.einsum("...d,vd->...v", hidden, table, preferred_element_type=jnp.float32)
