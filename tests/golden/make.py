"""Writes families.npz: what transformers computes for every variant in tests/checkpoints.py.

After a change of the variants, with what `make parity` installs, from the root of the repository:
    .venv/bin/python -m tests.golden.make
"""

import tempfile
from pathlib import Path

import numpy as np

from tests import checkpoints
from tests.golden.golden import FILE, sampled
from tests.parity.reference import their_logits, their_loss, their_parameters, theirs


def computed(folder: Path, variant: str) -> dict[str, np.ndarray]:
    """The entries of one variant, whose checkpoint is written to `folder`."""
    model, leaves = checkpoints.drawn(variant)
    reference = theirs(checkpoints.write(folder, variant))
    given = checkpoints.inputs(model)
    logits = their_logits(reference, given)
    loss = their_loss(logits, checkpoints.labels(model, given), given)
    loss.backward()
    grads = {name: leaf.grad for name, leaf in their_parameters(reference).items()}
    norms = []
    for path in sorted(leaves):
        grad = grads[model.KEY_MAP.key(path).tensor]
        norms.append(0.0 if grad is None else grad.double().norm().item())
    return {
        f"{variant}/logits": sampled(logits.detach().numpy(), given),
        f"{variant}/loss": np.asarray(loss.item()),
        f"{variant}/norms": np.asarray(norms),
    }


def main() -> None:
    entries = {}
    with tempfile.TemporaryDirectory() as work:
        for number, variant in enumerate(checkpoints.VARIANTS):
            entries |= computed(Path(work) / str(number), variant)
    np.savez_compressed(FILE, **entries)
    print(f"{len(checkpoints.VARIANTS)} variants, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
