"""The objective of training in torch: row by row, without padding."""

import torch

from research.evaluation.batch import PromptFrame, Rows, prompt_frame
from research.models.backbone import Backbone
from tests.tiny import batch

CLOSING, MASK = 4, 3  # no token of the rows


def rows_of(backbone: Backbone, size: int, seed: int = 0) -> Rows:
    """Random rows of ids from the upper part of the vocabulary.

    Among the lower ones are RoBERTa's padding and, of real models, bytes that hardly any text has:
    attention to these is so sharp that float32 loses what its gradients differ by.
    """
    rows, lowest = batch(size, seed), 3 * backbone.model.config.vocab_size // 5
    return rows._replace(tokens=rows.tokens + lowest, target=rows.target + lowest)


def framed(backbone: Backbone) -> PromptFrame:
    """The frame of rows: encoders need a closing, the others have none."""
    return prompt_frame([], [CLOSING] if backbone.model.ROUTE == "masked" else [], MASK)


def their_objective(model, backbone: Backbone, rows: Rows) -> tuple[torch.Tensor, int]:
    """(summed negative log-probability, number) of what a model of torch should predict."""
    total, count = torch.zeros(()), 0
    for row in range(len(rows.tokens)):
        start, length = int(rows.prompt_length[row]), int(rows.length[row])
        tokens = [int(token) for token in rows.tokens[row]]
        prompt, target = tokens[:start], tokens[start:length]
        if backbone.model.head_shapes():
            target = [int(rows.label[row])]
        logprobs = torch.log_softmax(_logits(model, backbone, prompt, target), dim=-1)
        total = total - logprobs[torch.arange(len(target)), torch.tensor(target)].sum()
        count += len(target)
    return total, count


def _logits(model, backbone: Backbone, prompt: list[int], target: list[int]) -> torch.Tensor:
    """[L, V] that predict the target's tokens, or [1, C] its class."""

    def logits(ids, **more):
        ids = torch.tensor([ids])
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits

    if backbone.model.head_shapes():
        return logits([*prompt, CLOSING])
    if backbone.model.ROUTE == "seq2seq":
        shifted = torch.tensor([[backbone.model.config.start_token, *target[:-1]]])
        return logits(prompt, decoder_input_ids=shifted)[0]
    masked = backbone.model.ROUTE == "masked"
    rest = [*[MASK] * len(target), CLOSING] if masked else target
    return logits([*prompt, *rest])[0, -len(target) - 1 : -1]
