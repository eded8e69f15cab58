"""Answer sources, which answer without the backbone: baselines, answers files and endpoints."""

ANSWER_SOURCES = ("baseline", "answers", "endpoint")  # the fields of an approach that name one
