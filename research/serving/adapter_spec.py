"""The specification of an adapter that is served beside others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.common.tokenizer import Tokenizer
from research.evaluation.batch import prompt_frame
from research.evaluation.scoring import route_of
from research.methods.head import Head
from research.models.backbone import Backbone
from research.records.weights import load_wording
from research.runs.data import room
from research.serving.adapter_sources import Source, from_adapter, from_run
from research.serving.service import ServedAdapter
from research.serving.stacked_adapters import Adapter
from research.tasks.encoding.encoded import Normalisation
from research.tasks.encoding.special_tokens import Bos
from research.tasks.encoding.wording import Wording


@dataclass(frozen=True)
class AdapterSpec:
    """A run, an adapter, or, with neither, the unadapted backbone; and the wording of its rows.

    Raises InputError for half a run, for a run and an adapter, and for parts of a wording.

    Attributes:
        results: results folder of the run.
        run: id of the run, whose wording is stored with it.
        adapter: a folder of PEFT or a .npy file.
        template: see `Wording`.
        verbalizer: one or several texts for each label, in the labels' order.
        end: see `Wording`.
        normalisation: see `Wording`.
        bos: see `Wording`.
    """

    results: str | None = None
    run: str | None = None
    adapter: str | None = None
    template: str | None = None
    verbalizer: Mapping[str, str | tuple[str, ...]] | None = None
    end: str = "\n"
    normalisation: Normalisation = "sum"
    bos: Bos = "tokenizer"

    def __post_init__(self) -> None:
        if (self.results is None) != (self.run is None):
            raise InputError("run", self.run, "`results` and `run` come together")
        if self.run is not None and self.adapter is not None:
            raise InputError("adapter", self.adapter, "either an adapter or a run, not both")
        if (self.template is None) != (self.verbalizer is None):
            raise InputError("template", self.template, "it and the verbalizer come together")
        for name in ("end", "normalisation", "bos"):
            value = getattr(self, name)
            if self.template is None and value != getattr(type(self), name):
                raise InputError(
                    name, value, "a run has its own; it takes a template and verbalizer"
                )

    def served(
        self,
        backbone: Backbone,
        tokenizer: Tokenizer,
        too_long: Literal["error", "cut"],
    ) -> ServedAdapter:
        """The adapter with its encoder.

        Raises InputError for an adapter that cannot be read, and for an unknown wording.
        """
        methods, leaves = self._source(backbone)
        head = {path: leaf for path, leaf in backbone.params.items() if path.startswith("head:")}
        if head and not any(method.is_head for method in methods):
            methods, leaves = (Head(), *methods), {**head, **leaves}
        methods = tuple(jax.tree.map(np.float32, method) for method in methods)
        wording = self._wording()
        encoder = wording.encoder(
            tokenizer,
            room(backbone.context, sum(method.positions for method in methods)),
            route_of(backbone.model, methods),
            too_long,
        )
        around = prompt_frame(
            encoder.prefix_ids(()), encoder.suffix_ids, encoder.special_tokens.mask
        )
        texts = encoder.texts()
        adapter = Adapter(methods, leaves, around, texts.targets)
        return ServedAdapter(adapter, encoder, texts, wording.normalisation)

    def _source(self, backbone: Backbone) -> Source:
        if self.run is not None and self.results is not None:
            return from_run(resolve_path(self.results, "results"), self.run, backbone)
        if self.adapter is not None:
            return from_adapter(resolve_path(self.adapter, "adapter"), backbone)
        return (), {}

    def _wording(self) -> Wording:
        if self.template is not None and self.verbalizer is not None:
            return Wording(self.template, self.verbalizer, self.end, self.normalisation, self.bos)
        stored = None
        if self.run is not None and self.results is not None:
            stored = load_wording(Path(resolve_path(self.results, "results")), self.run)
        if stored is None:
            allowed = "the wording is not known: a template and a verbalizer are needed"
            raise InputError("template", None, allowed)
        return stored
