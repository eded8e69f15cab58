"""Templates and their bounds."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval import template as templates
from research.tasks.lm_eval.template import Renderer

ROW = {"q": "Why?\n", "choices": {"text": ["a", "it's"], "label": ["A", "B"]}, "n": 2}


@pytest.fixture(scope="module")
def renderer():
    with Renderer() as renderer:
        yield renderer


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Q: {{q}}\n", "Q: Why?\n\n"),
        ("{{q.strip()}} {{n + 1}}", "Why? 3"),
        ("{{q|regex_replace('[?y]+', '')}}", "Wh\n"),
        ("{{choices.label.index('B')}}", "1"),
        ("{% for c in choices.text %}{{loop.index}}{{c}}{% endfor %}", "1a2it's"),
        ("{{'x' if z is defined else 'y'}}", "y"),
        ('{{"1"}}', "1"),
    ],
)
def test_templates_are_those_of_jinja(renderer, template, text):
    assert renderer.text(template, ROW, "doc_to_text") == text


def test_a_literal_is_its_value(renderer):
    assert renderer.literal("{{choices.text}}", ROW, "doc_to_choice") == ["a", "it's"]
    assert renderer.literal("{{(1, 2)}}", ROW, "doc_to_choice") == [1, 2]
    with pytest.raises(InputError, match="no list of texts"):
        renderer.literal("{{q}}", ROW, "doc_to_choice")


def test_the_names_of_a_template(renderer):
    assert renderer.names("{{q}} {% set x = n %}{{x}}", "doc_to_text") == ["n", "q"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{missing}}", "'missing' is undefined; the columns are choices, n, q"),
        ("{{q", "no valid template"),
        ("{{q.__class__}}", "unsafe"),
        ("{{choices.text.append(1)}}", "unsafe"),
        ("{{n.real(1)}}", "TypeError"),
        ("{{1 / 0}}", "ZeroDivisionError"),
        ("{{'a' * 2000000}}", "more than 1,000,000 characters"),
        ("{% for i in range(2000) %}{{'a' * 1000}}{% endfor %}", "more than 1,000,000 characters"),
        ("{{'a' * 10**10}}", "too much memory"),
        ("{% macro f() %}{{f()}}{% endmacro %}{{f()}}", "calls itself too often"),
        ("{% include 'x' %}", "TypeError"),
    ],
)
def test_what_is_refused_is_one_sentence(renderer, template, message):
    with pytest.raises(InputError, match=message) as caught:
        renderer.text(template, ROW, "doc_to_text")
    assert "\n" not in str(caught.value)


def test_a_template_without_an_end_is_refused_and_the_next_one_works(monkeypatch):
    monkeypatch.setattr(templates, "SECONDS", 0.3)
    loop = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
    with Renderer() as renderer:
        with pytest.raises(InputError, match="takes more than"):
            renderer.text(loop, ROW, "doc_to_text")
        with pytest.raises(InputError, match="takes more than"):
            renderer.text("{{10 ** (10 ** 10)}}", ROW, "doc_to_text")
        assert renderer.text("{{q}}", ROW, "doc_to_text") == "Why?\n"


def test_a_value_that_is_no_text_is_refused(renderer):
    with pytest.raises(InputError, match="a value that no template can use"):
        renderer.text("{{x}}", {"x": b"bytes"}, "doc_to_text")
