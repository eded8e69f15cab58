"""Computes memory and FLOPs of training up to 70B parameters, by formula and by the compiler.

python scripts/scale.py --out results/scale
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from research.common.errors import exit_on_input_error
from research.runtime.process import prepare


@exit_on_input_error
def main(arguments: list[str] | None = None) -> int:
    """Writes scale.json and scale.md; takes about five minutes on two cores, and 4 GB."""
    prepare()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    options = parser.parse_args(arguments)
    import jax  # here: --help needs none of it

    from research.studies.scale.compiled import FLAG
    from research.studies.scale.figures import (
        by_compiler,
        by_formula,
        of_cohorts,
        of_compiled_cohorts,
    )
    from research.studies.scale.page import page

    # Before the first use of a device, or they have no effect.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 8)
    figures = {
        "jax": jax.__version__,
        "formula": list(by_formula()),
        "cohorts": list(of_cohorts()),
        "compiler": list(by_compiler()),
        "compiled cohorts": list(of_compiled_cohorts()),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scale.json").write_text(_by_line(figures))
    (options.out / "scale.md").write_text(page(figures))
    return 0


def _by_line(figures: dict[str, Any]) -> str:
    """JSON with one figure, or one row of figures, per line."""
    parts = []
    for name, rows in figures.items():
        lines = ",\n ".join(json.dumps(row) for row in rows) if isinstance(rows, list) else ""
        parts.append(f"{json.dumps(name)}: " + (f"[\n {lines}]" if lines else json.dumps(rows)))
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    sys.exit(main())
