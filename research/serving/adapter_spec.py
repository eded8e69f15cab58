"""The specification of an adapter that is served beside others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from research.common.errors import InputError, check_whole
from research.common.paths import resolve_path
from research.common.tokenizer import Tokenizer
from research.evaluation.batch import prompt_frame
from research.evaluation.scoring import route_of
from research.experiments.prompt import LAYOUT
from research.methods.head import with_backbone_head
from research.methods.method import Method
from research.methods.shared.leaves import head_leaves
from research.models.backbone import Backbone
from research.records.weights import load_row_format
from research.runs.room import room
from research.serving.adapter_sources import Source, from_adapter, from_run
from research.serving.service import ServedAdapter
from research.serving.stacked_adapters import Adapter
from research.tasks.encoding.encoded import Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.row_format import Precision, RowFormat
from research.tasks.encoding.special_tokens import Bos
from research.tasks.encoding.truncation import TooLong
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class AdapterSpec:
    """A run, an adapter, or, with neither, the unadapted backbone; and the wording of its rows.

    Raises InputError for half a run, for a run and an adapter, and for parts of a wording.

    Attributes:
        results: results folder of the run.
        run: id of the run, whose wording is stored with it.
        adapter: a folder of PEFT or a .npy file.
        template: text of the prompts, with columns in braces.
        verbalizer: one or several texts for each label, in the labels' order.
        end: text that ends a target.
        normalisation: divisor of a text's score.
        bos: whether BOS stands before a causal row.
        max_tokens: maximum tokens of a row, as in an experiment; None for as many as fit.
        precision: dtype of the computation.
        chat: whether prompts are chats by the tokenizer's own template.
        system: text of a chat's system turn.
        instruction: text before every row; in a chat it begins the user turn.
        thinking: a chat template's switch for thoughts before an answer, `enable_thinking`.
    """

    results: str | None = None
    run: str | None = None
    adapter: str | None = None
    template: str | None = None
    verbalizer: Mapping[str, str | tuple[str, ...]] | None = None
    end: str = "\n"
    normalisation: Normalisation = "sum"
    bos: Bos = "tokenizer"
    max_tokens: int | None = None
    precision: Precision = "float32"
    chat: bool = False
    system: str = ""
    instruction: str = ""
    thinking: bool = False

    def __post_init__(self) -> None:
        if (self.results is None) != (self.run is None):
            raise InputError("run", self.run, "`results` and `run` come together")
        if self.run is not None and self.adapter is not None:
            raise InputError("adapter", self.adapter, "either an adapter or a run, not both")
        if (self.template is None) != (self.verbalizer is None):
            raise InputError("template", self.template, "it and the verbalizer come together")
        if self.max_tokens is not None:
            check_whole("max_tokens", self.max_tokens)
        if self.verbalizer is not None and len(self.verbalizer) < 2:
            raise InputError("verbalizer", dict(self.verbalizer), "at least two labels")
        for name in ("end", "normalisation", "bos", "max_tokens", "precision", *LAYOUT):
            value = getattr(self, name)
            if self.template is None and value != getattr(type(self), name):
                raise InputError(
                    name, value, "a run has its own; it takes a template and verbalizer"
                )
        for name in ("system", "thinking"):
            if getattr(self, name) and not self.chat:
                raise InputError(name, getattr(self, name), "only a chat has it: chat is False")

    def served(
        self,
        backbone: Backbone,
        tokenizer: Tokenizer,
        too_long: TooLong | None = None,
    ) -> ServedAdapter:
        """The adapter with the format of its rows.

        Args:
            backbone: the backbone of all adapters.
            tokenizer: its tokenizer.
            too_long: whether rows that are too long are errors or are cut; None: as in the run,
                and an error without a run.

        Raises InputError for an adapter that cannot be read, and for an unknown wording.
        """
        methods, leaves = self._source(backbone)
        if not any(method.is_head for method in methods):
            leaves = {**head_leaves(backbone.params), **leaves}
        methods = with_backbone_head(methods, backbone.params)
        methods = tuple(jax.tree.map(np.float32, method) for method in methods)
        row_format = self._row_format(backbone, tokenizer, methods)
        encoder = row_format.encoder
        if too_long is not None:
            row_format = replace(row_format, encoder=replace(encoder, too_long=too_long))
        mask = encoder.special_tokens.mask
        frame = prompt_frame(row_format.prefix_ids, encoder.suffix_ids, mask)
        texts = encoder.texts()
        return ServedAdapter(Adapter(methods, leaves, frame, texts.targets), row_format, texts)

    def _source(self, backbone: Backbone) -> Source:
        if self.run is not None and self.results is not None:
            return from_run(resolve_path(self.results, "results"), self.run, backbone)
        if self.adapter is not None:
            return from_adapter(resolve_path(self.adapter, "adapter"), backbone)
        return (), {}

    def _row_format(
        self, backbone: Backbone, tokenizer: Tokenizer, methods: Sequence[Method]
    ) -> RowFormat:
        if self.template is not None and self.verbalizer is not None:
            positions = sum(method.positions for method in methods)
            encoder = Encoder(
                tokenizer=tokenizer,
                template=Template(self.template),
                verbalizer=Verbalizer(self.verbalizer, self.end),
                labels=tuple(self.verbalizer),
                room=room(backbone.context, positions, self.max_tokens),
                route=route_of(backbone.model, methods),
                bos=self.bos,
                layout=LayoutSettings(**{name: getattr(self, name) for name in LAYOUT}),
            )
            around = len(encoder.special_tokens.prefix_ids) + len(encoder.suffix_ids)
            return RowFormat(
                encoder=replace(encoder, room=encoder.room - around),
                normalisation=self.normalisation,
                precision=self.precision,
            )
        if self.run is None or self.results is None:
            allowed = "the wording is not known: a template and a verbalizer are needed"
            raise InputError("template", None, allowed)
        return load_row_format(Path(resolve_path(self.results, "results")), self.run, tokenizer)
