from research.experiments.backbone_names import backbone_labels, row_name


def test_labels_are_the_last_parts_of_names_unless_two_are_equal():
    assert backbone_labels(["org/a", "b"]) == {"org/a": "a", "b": "b"}
    assert backbone_labels(["/x/a/", "y/a"]) == {"/x/a/": "/x/a/", "y/a": "y/a"}
    assert backbone_labels(["org/a"]) == {} == backbone_labels([])


def test_a_row_has_the_label_if_there_is_one():
    assert row_name("LoRA", "a") == "LoRA on a" and row_name("LoRA", None) == "LoRA"
