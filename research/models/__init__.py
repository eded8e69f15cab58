"""Language models as Flax Linen modules that load and save Hugging Face checkpoints."""

from research.models.bert.model import Bert, Roberta
from research.models.gpt2.model import GPT2
from research.models.gpt_neox.model import GPTNeoX
from research.models.llama.model import Decoder, PostNormDecoder
from research.models.model import Model
from research.models.t5.model import T5

# The `model_type` of a config.json and the family that computes it.
MODELS: dict[str, type[Model]] = {
    "bert": Bert,
    "gemma2": PostNormDecoder,
    "gemma3_text": PostNormDecoder,
    "gpt2": GPT2,
    "gpt_neox": GPTNeoX,
    "granite": Decoder,
    "llama": Decoder,
    "mistral": Decoder,
    "mt5": T5,
    "olmo2": PostNormDecoder,
    "olmo3": PostNormDecoder,
    "phi3": Decoder,
    "qwen2": Decoder,
    "qwen3": Decoder,
    "roberta": Roberta,
    "smollm3": Decoder,
    "t5": T5,
}
