"""Methods by name: a new method is a file here and a line in `METHODS`."""

from research.methods.adalora import AdaLoRA
from research.methods.bitfit import BitFit
from research.methods.bottleneck import Bottleneck
from research.methods.dora import DoRA
from research.methods.full import Full
from research.methods.head import Head
from research.methods.ia3 import IA3
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.method import Method
from research.methods.norms import Norms
from research.methods.prefix import PrefixTuning
from research.methods.selected import Selected
from research.methods.soft_prompt import SoftPrompt
from research.methods.vera import VeRA

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        AdaLoRA,
        BitFit,
        Bottleneck,
        DoRA,
        Full,
        Head,
        IA3,
        LastLayers,
        LoRA,
        LoRAFA,
        Norms,
        PrefixTuning,
        Selected,
        SoftPrompt,
        VeRA,
    )
}
