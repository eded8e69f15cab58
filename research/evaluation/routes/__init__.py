"""The routes from a row to the score of a label, one file each.

Every route has `target_logprobs(adapted, rows, frame, key, smoothing)` and
`label_scores(adapted, rows, frame, labels)`, as `research.evaluation.scoring` documents them.
"""
