"""Rows made up from templates, and the page about all task files of a folder."""

import pytest

from research.studies.lm_eval_tasks.report import report_tasks, tasks_page
from research.studies.lm_eval_tasks.synthetic import synthetic_rows
from research.tasks.lm_eval.catalog.index import build_index
from research.tasks.lm_eval.catalog.package import TaskFolder
from research.tasks.lm_eval.template import Renderer


@pytest.fixture(scope="module")
def renderer():
    with Renderer() as renderer:
        yield renderer


@pytest.mark.parametrize(
    "template",
    [
        "{{choices.text}}{{choices.label.index(answerKey)}}",
        "{{['A', 'B'].index(answer)}}",
        "{{[opa, opb][cop]}}",
        "{{answers[2].text}}",
        "{% for c in options %}{{loop.index}} {{c.strip()}}{% endfor %}",
        "{% set x = meta['kind'] %}{{x.lower()}}",
        "{{ {'entailment': 0, 'neutral': 1}[gold] }}",
        "{{'yes' if label == 2 else 'no'}}{{label + 1}}",
        "{{question.replace('a', 'b') + context}}",
        "{{letters|join(', ')}}",
        "{{'ABCD'.index(key)}}",
    ],
)
def test_a_made_up_row_renders(renderer, template):
    row = next(synthetic_rows([template], []))
    assert renderer.text(template, row, "template")


def test_the_page_counts_reasons_and_families(tmp_path):
    (tmp_path / "arc").mkdir()
    own = "dataset_path: a\ntest_split: test\noutput_type: multiple_choice\n"
    easy = (
        "doc_to_text: '{{q}}'\ndoc_to_choice: '{{c.text}}'\ndoc_to_target: '{{c.label.index(k)}}'\n"
    )
    (tmp_path / "arc" / "a.yaml").write_text(f"task: a\ntraining_split: train\n{own}{easy}")
    (tmp_path / "arc" / "b.yaml").write_text(f"task: b\n{own}{easy}process_docs: !function u.f\n")
    (tmp_path / "c.yaml").write_text(f"task: c\n{own}{easy}doc_to_text: '{{{{q'\n")
    (tmp_path / "d.yaml").write_text(
        f"task: d\n{own}doc_to_text: 1\ndoc_to_choice: '{{{{[x, y]}}}}'\ndoc_to_target: end\n"
    )
    folder = TaskFolder(tmp_path, "1.0")
    text = tasks_page(folder, report_tasks(folder, build_index(str(tmp_path))))
    assert "4 tasks. 1 are read, 2 are refused by name, 1 have errors" in text
    assert "| multiple_choice | 1 | 1 |" in text
    assert "| process_docs: a function in Python | 1 |" in text
    assert "| doc_to_text: each choice is a prompt of its own | 1 |" in text
    assert "| arc | 1 | 1 | 0 |" in text
    assert "- `c`: doc_to_text is '{{q': it is no valid template" in text
