"""Content-free prompts, which measure the prior of each label."""

from typing import Literal

from research.common.errors import InputError
from research.tasks.prompts.template import Template

Prior = Literal["none", "content_free", "domain", "empty"]
# Priors whose prompts have no demonstrations before them, as in the papers' code.
WITHOUT_DEMONSTRATIONS = ("domain", "empty")

# Zhao et al. 2021 (arXiv 2102.09690), section 5.
CONTENT_FREE = ("N/A", "[MASK]", "")


def content_free_prompts(template: Template, prior: Prior) -> tuple[str, ...]:
    """The prompts that measure a prior.

    "content_free" fills all columns of the template with each text of `CONTENT_FREE`. "domain" is
    the template after its last column, the domain premise of Holtzman et al. 2021 (arXiv
    2104.08315). "empty" is a prompt without text, acc_mutual_info of lm-evaluation-harness. Raises
    InputError where the result of another prior is empty.
    """
    if prior == "none":
        return ()
    if prior == "empty":
        return ("",)
    if prior == "domain":
        prompts = (template.ending,)
    else:
        prompts = tuple(template.fill(dict.fromkeys(template.names, t)) for t in CONTENT_FREE)
    if not all(prompt.strip() for prompt in prompts):
        allowed = f"without its columns nothing is left of the template {template.text!r}"
        raise InputError("prior", prior, allowed)
    return prompts
