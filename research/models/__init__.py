"""Language models as Flax Linen modules that load and save Hugging Face checkpoints."""

from research.models.decoder import Decoder
from research.models.model import Model

# The `model_type` of a config.json and the family that computes it.
MODELS: dict[str, type[Model]] = {"llama": Decoder}
