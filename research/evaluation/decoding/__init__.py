"""How a text is generated, token by token, with a cache: one sequence per row, or beams.

Generation by either way runs as one program; `research.evaluation.generation` calls it.
"""
