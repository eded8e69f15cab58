"""The models and methods of the scale study."""

from research.methods.full import Full
from research.methods.ia3 import IA3
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.method import Method
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder


def _llama(width: int, layers: int, heads: int, groups: int, hidden: int, context: int) -> Decoder:
    return Decoder(
        DecoderConfig(32000, width, layers, heads, groups, width // heads, hidden, context)
    )


# Published: the 60M of GaLore (Zhao et al. 2024, arXiv 2403.03507, table 11), TinyLlama (Zhang et
# al. 2024, arXiv 2401.02385, table 1), Llama 2 (Touvron et al. 2023, arXiv 2307.09288).
SHAPES: dict[str, Decoder] = {
    "60M": _llama(512, 8, 8, 8, 1376, 1024),
    "1B": _llama(2048, 22, 32, 4, 5632, 2048),
    "7B": _llama(4096, 32, 32, 32, 11008, 4096),
    "70B": _llama(8192, 80, 64, 8, 28672, 4096),
}

# None: a prompt without training.
METHODS: dict[str, Method | None] = {
    "prompt alone": None,
    "soft prompt (100)": SoftPrompt(length=100),
    "prefix (100)": PrefixTuning(length=100),
    "IA3": IA3(),
    "LoRA (rank 8)": LoRA(rank=8),
    "last 2 layers": LastLayers(last=2),
    "full": Full(),
}
