"""The ids at the beginning of all rows of a run, which are computed once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from research.tasks.encoding.encoded import Encoded


def share_prefix(
    splits: Sequence[Encoded], special: Sequence[int], within: int, least: int
) -> tuple[list[int], list[Encoded]]:
    """(shared ids, rows without them): `special`, then the common beginning of all prompts.

    Args:
      splits: rows whose prompts have demonstrations and no special tokens before them.
      special: ids before every row.
      within: maximum number of ids that are shared beside `special`.
      least: number of ids that every prompt keeps. If a prompt has fewer, the last of `special`
        go into the rows.
    """
    filled = [rows for rows in splits if len(rows.length)]
    shortest = min((int(rows.prompt_length.min()) for rows in filled), default=least)
    moved = list(special[len(special) - max(0, least - shortest) :]) if shortest < least else []
    count = max(0, min(within, shortest - least)) if filled else 0
    for rows in filled:
        same = (rows.tokens[:, :count] == filled[0].tokens[0, :count]).all(0)
        count = count if same.all() else int(np.argmin(same))
    shared = filled[0].tokens[0, :count].tolist() if filled else []
    prefix = [*special[: len(special) - len(moved)], *shared]
    return prefix, [begun_with(moved, rows, count) if len(rows.length) else rows for rows in splits]


def begun_with(ids: Sequence[int], rows: Encoded, dropped: int = 0) -> Encoded:
    """Rows without their first `dropped` ids, with `ids` in front."""
    front = np.broadcast_to(np.array(ids, np.int32), (len(rows.tokens), len(ids)))
    longer = np.int32(len(ids) - dropped)
    return replace(
        rows,
        tokens=np.concatenate([front, rows.tokens[:, dropped:]], axis=1),
        length=rows.length + longer,
        prompt_length=rows.prompt_length + longer,
    )
