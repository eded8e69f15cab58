"""Prompts without an input, which tell how likely a label's text is in itself."""

from typing import Literal

from research.common.errors import InputError
from research.tasks.prompts.template import Template

Prior = Literal["none", "content_free", "domain"]

# Zhao et al. 2021 (arXiv 2102.09690), section 5.
CONTENT_FREE = ("N/A", "[MASK]", "")


def content_free_prompts(template: Template, prior: Prior) -> tuple[str, ...]:
    """The prompts by which a prior is measured.

    content_free: the template with each of `CONTENT_FREE` in all of its columns. domain: what
    stands in the template after its last column, the domain premise of Holtzman et al. 2021
    (arXiv 2104.08315). Raises InputError where nothing is left of the template.
    """
    if prior == "none":
        return ()
    if prior == "domain":
        prompts = (template.ending,)
    else:
        prompts = tuple(template.fill(dict.fromkeys(template.names, t)) for t in CONTENT_FREE)
    if not all(prompt.strip() for prompt in prompts):
        allowed = f"without its columns nothing is left of the template {template.text!r}"
        raise InputError("prior", prior, allowed)
    return prompts
