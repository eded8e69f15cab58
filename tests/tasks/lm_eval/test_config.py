"""Keys of a task file, and what is refused."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.config import Metric, read_task_config
from research.tasks.lm_eval.generation import generation
from research.tasks.lm_eval.refusals import refusals
from research.tasks.lm_eval.yaml_file import Function

FUNCTION = Function("utils.f", "folder")


def config(**values):
    return read_task_config({"task": "t", **values}, "t.yaml")


def test_defaults_are_those_of_the_harness():
    plain = config(output_type="multiple_choice", validation_split="dev")
    assert (plain.target_delimiter, plain.fewshot_delimiter, plain.repeats) == (" ", "\n\n", 1)
    assert plain.test == "dev"
    assert [metric.name for metric in plain.metrics] == ["acc", "acc_norm"]
    assert [metric.name for metric in config().metrics] == ["exact_match"]


def test_keys_are_read():
    values = config(
        metadata={"version": 1.0},
        metric_list=[{"metric": "exact_match", "ignore_case": True, "aggregation": "mean"}],
        filter_list=[{"name": "f", "filter": [{"function": "regex", "group_select": 1}]}],
    )
    assert values.version == "1.0"
    assert values.metric_list == (Metric("exact_match", {"ignore_case": True}, "mean"),)
    assert values.filter_list[0].steps == (("regex", {"group_select": 1}),)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"doc_to_txt": "a"}, "did you mean 'doc_to_text'"),
        ({"output_type": "choice"}, "allowed are multiple_choice"),
        ({"doc_to_choice": 3}, "doc_to_choice of t.yaml is 3"),
        ({"num_fewshot": -1}, "a positive number"),
        ({"repeats": 0}, "a positive number"),
        ({"metric_list": [{"name": "acc"}]}, "metric: acc"),
        ({"filter_list": [{"name": "f"}]}, "a list `filter`"),
        ({"fewshot_config": {"sampled": 1}}, "did you mean 'samples'"),
        ({"task": None}, "the name of the task"),
    ],
)
def test_what_is_not_read_is_named(values, message):
    with pytest.raises(InputError, match=message):
        config(**values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"process_docs": FUNCTION}, "process_docs: a function in Python"),
        ({"doc_to_choice": [FUNCTION]}, "doc_to_choice: a function in Python"),
        ({"doc_to_image": "image"}, "doc_to_image: the prompt has images"),
        ({"unsafe_code": True}, "unsafe_code: its metric runs generated programs"),
        ({"metric_list": [{"metric": "score"}]}, "metric_list: score has no definition here"),
        ({"metric_list": [{"metric": FUNCTION}]}, "metric_list: a function in Python"),
        (
            {"metric_list": [{"metric": "exact_match", "fuzzy": 1}]},
            "metric_list: fuzzy of exact_match is not read",
        ),
        (
            {"metric_list": [{"metric": "bleu", "aggregation": "mode"}]},
            "metric_list: the aggregation mode has no definition here",
        ),
        (
            {"metric_list": [{"metric": "acc"}]},
            "metric_list: acc is no metric of generate_until",
        ),
        (
            {"filter_list": [{"name": "f", "filter": [{"function": "custom"}]}]},
            "filter_list: custom has no definition here",
        ),
        ({"generation_kwargs": {"min_p": 0.1}}, "generation_kwargs: min_p is not read"),
        ({"dataset_path": "utils/data.py"}, "dataset_path: a script in Python"),
    ],
)
def test_refusals_name_the_key(values, reason):
    assert refusals(config(**values)) == [reason]


def test_options_without_an_effect_in_the_harness_are_read():
    entry = {"metric": "acc", "ignore_case": True, "weight_by_size": True}
    assert refusals(config(output_type="multiple_choice", metric_list=[entry])) == []
    unknown = config(output_type="multiple_choice", metric_list=[{"metric": "acc", "top": 1}])
    assert refusals(unknown) == ["metric_list: top of acc is not read"]


def test_trusted_functions_are_not_refused():
    trusted = config(process_docs=FUNCTION, doc_to_text=FUNCTION, process_results=FUNCTION)
    assert refusals(trusted, trusted=True) == ["process_results: a function in Python"]


def test_generation_is_greedy_up_to_the_delimiter():
    plain = generation(config())
    assert plain.until == ("\n\n",)
    assert (plain.decoding.max_new_tokens, plain.decoding.do_sample) == (256, False)
    own = generation(
        config(generation_kwargs={"until": ["b", "c"], "max_gen_toks": 8, "temperature": 0.5})
    )
    assert (own.decoding.max_new_tokens, own.decoding.temperature) == (8, 0.5)
    assert own.until == ("b", "c")
    with pytest.raises(InputError, match=r"generation_kwargs\.temperature"):
        generation(config(generation_kwargs={"do_sample": True, "temperature": 0.0}))
