"""Metrics of tasks whose items have their own choices, as lm-evaluation-harness defines them."""

from typing import Literal

# The divisor of a choice's log-likelihood by which each of these accuracies chooses: none, the
# characters of its text, or their UTF-8 bytes.
DIVISORS: dict[str, Literal["sum", "characters", "bytes"]] = {
    "acc": "sum",
    "acc_norm": "characters",
    "acc_bytes": "bytes",
}
# The accuracy of a row's own answers, by the normalisation and the prior of its prompt; then those
# of scores that are not calibrated.
CHOICE_METRICS = ("accuracy", *DIVISORS)
