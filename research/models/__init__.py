"""Language models as Flax Linen modules that load and save Hugging Face checkpoints."""

from research.models.decoder import Decoder

# The `model_type` of a config.json and the Linen module that computes it. A module offers
# `from_hf(fields of config.json)`, its names of tensors in `LAYOUT`, a `config` with `vocab_size`,
# `context` and `to_hf()`, and the calls that `Decoder` documents.
MODELS = {"llama": Decoder}
