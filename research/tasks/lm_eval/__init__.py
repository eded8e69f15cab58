"""Tasks in the YAML format of lm-evaluation-harness (Gao et al., github.com/EleutherAI).

Their files are read as data: the package is never imported.
"""
