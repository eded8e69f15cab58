"""Language models as Flax Linen modules that load and save Hugging Face checkpoints."""

from research.models.bert.model import Bert, Roberta
from research.models.gpt2.model import GPT2
from research.models.llama.model import Decoder
from research.models.model import Model
from research.models.t5.model import T5

# The `model_type` of a config.json and the family that computes it.
MODELS: dict[str, type[Model]] = {
    "bert": Bert,
    "gpt2": GPT2,
    "llama": Decoder,
    "mistral": Decoder,
    "mt5": T5,
    "qwen2": Decoder,
    "qwen3": Decoder,
    "roberta": Roberta,
    "t5": T5,
}
