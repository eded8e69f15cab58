"""Methods by name: a new one is a file here and a line in `METHODS`."""

from research.methods.bitfit import BitFit
from research.methods.full import Full
from research.methods.head import Head
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.method import Method
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (BitFit, Full, Head, LastLayers, LoRA, PrefixTuning, SoftPrompt)
}
