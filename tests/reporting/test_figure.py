"""What the figures show: numbers from runs, places on axes, labels apart."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from research.methods import METHODS
from research.records.measurements import Evaluation, Forgetting
from research.reporting.figures.axes import linear, logarithmic
from research.reporting.figures.colors import (
    BASELINE,
    BY_NAME,
    FAMILIES,
    FULL,
    LAYERS,
    LORA,
    OTHER,
    PROMPTS,
    SEVERAL,
    SOFT,
    family_of,
    series_styles,
)
from research.reporting.figures.costs import cost_figures, front
from research.reporting.figures.figure import Axis, Panel, Point, Series
from research.reporting.figures.geometry import (
    BOTTOM,
    LEFT,
    LINE,
    PLOT_HEIGHT,
    TEXT,
    plot_area,
    text_size,
    text_width,
)
from research.reporting.figures.label_placement import labels
from research.reporting.figures.robustness import forgetting_point, out_of_domain_point
from research.reporting.figures.stacking import apart
from research.reporting.figures.svg import panel_svg
from research.reporting.figures.training import dev_curve, training_figures
from research.reporting.grid.grid import read_grid
from research.reporting.render.page import WEB
from tests.run_records import CONFIGURATION, make_record, stage


@pytest.fixture(scope="module")
def grid(finished):
    return read_grid(finished)


def test_the_front_is_what_no_other_point_beats():
    points = [(0, 0.5), (0, 0.6), (3, 0.6), (5, 0.8), (9, 0.7), (9, 0.8), (12, 0.9)]
    plain = {
        (c, s)
        for c, s in points
        if not any((c2 <= c and s2 >= s) and (c2, s2) != (c, s) for c2, s2 in points)
    }
    assert set(front(points)) == plain == {(0, 0.6), (5, 0.8), (12, 0.9)}
    assert front(points) == front(points[::-1])


def test_points_are_the_cells(grid):
    found = {figure.name: figure for figure in cost_figures(grid, series_styles(grid))}
    assert list(found) == ["parameters", "examples", "seconds"]
    panel = found["parameters"].panels[1]
    assert panel.title == "sentiment, 500 examples" and len(panel.series) == len(grid.rows)
    point = next(one for one in panel.series if one.style.name == "LoRA").points[0]
    cell = grid.cell("LoRA", ("sentiment", "500"))
    score = cell.score("accuracy")
    assert (point.x, point.y) == (12288, 100 * score.score)
    assert (point.low, point.high) == (100 * score.low, 100 * score.high)
    assert point.runs == tuple(run.run_id for run in cell.runs)
    sizes = next(one for one in found["examples"].panels[0].series if one.style.name == "LoRA")
    assert [one.x for one in sizes.points] == [32, 500] and sizes.joined


def test_a_learning_rate_is_a_point_and_the_chosen_one_is_full(grid):
    rates = next(f for f in training_figures(grid, series_styles(grid)) if f.name == "rates")
    one = next(one for one in rates.panels[0].series if one.style.name == "LoRA")
    assert [point.x for point in one.points] == [1e-4, 1e-3, 1e-2]
    assert [point.hollow for point in one.points] == [True, False, True]
    assert [round(point.y) for point in one.points] == [80, 90, 80]


def test_a_curve_goes_through_the_stages_and_leaves_other_tasks_out():
    first = (Evaluation(30, 1.0, 0.5, 1.0), Evaluation(60, 0.9, None, None))
    second = (Evaluation(20, 0.5, 0.7, 0.4),)

    def run(*stages):
        configuration = replace(CONFIGURATION, approach={"stages": stages})
        return make_record(history=(first, second)[: len(stages)], configuration=configuration)

    assert dev_curve(run(stage("full"), stage("full"))) == [(30, 0.5), (80, 0.7)]
    assert dev_curve(run(stage("full", task="other"), stage("full"))) == [(80, 0.7)]
    assert dev_curve(run()) == []


def test_out_of_domain_and_forgetting_are_means_over_the_seeds(grid):
    cell = grid.cell("LoRA", ("sentiment", "500"))
    assert out_of_domain_point(cell) is None and forgetting_point(cell) is None
    runs = [
        replace(
            run,
            metrics={**run.metrics, "ood": {"accuracy": 0.7 + seed / 100}},
            forgetting=Forgetting(1.0, 1.0 + seed / 10, removable=True),
        )
        for seed, run in enumerate(cell.runs)
    ]
    told = replace(cell, runs=tuple(runs))
    one, other = out_of_domain_point(told), forgetting_point(told)
    assert one is not None and other is not None
    assert (one.y, one.low, one.high) == pytest.approx((72, 70, 74))
    assert (other.y, other.low, other.high) == pytest.approx((0.2, 0, 0.4)) and other.hollow
    assert out_of_domain_point(replace(told, runs=(*told.runs[1:], cell.runs[0]))) is None


STAGES = {
    PROMPTS: [],
    SOFT: [stage("prefix")],
    LORA: [stage("", methods=[{"name": "head"}, {"name": "lora"}])],
    LAYERS: [stage("head")],
    FULL: [stage("full"), stage("full")],
    SEVERAL: [stage("full"), stage("soft_prompt")],
    OTHER: [stage("mine")],
}


@pytest.mark.parametrize("family", STAGES, ids=lambda family: family.name)
def test_an_approach_is_of_the_family_of_what_it_trains(family):
    configuration = replace(CONFIGURATION, approach={"stages": STAGES[family]})
    run = make_record(configuration=configuration)
    assert family_of(run) == family


def test_rows_differ_in_colour_or_marker(grid):
    assert all(method.family in BY_NAME for method in METHODS.values())
    assert len({f.light for f in FAMILIES}) == len({f.dark for f in FAMILIES}) == len(FAMILIES)
    found = series_styles(grid)
    assert [look.number for look in found.values()] == [1, 2, 3, 4, 5, 6]
    assert found["majority class"].family == BASELINE
    assert len({(look.family, look.shape) for look in found.values()}) == len(found)


# What people see who lack one kind of cones, in linear RGB (Machado et al. 2009, severity 1).
SEEN = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def light(color):
    """Linear RGB of an sRGB colour in hexadecimal digits (IEC 61966-2-1)."""
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB (1976), D65."""
    x = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(1)
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", SEEN)
@pytest.mark.parametrize("paper, of", [("#fffdf9", "light"), ("#191815", "dark")])
def test_colours_are_distinct_with_every_kind_of_vision(vision, paper, of):
    colors = [getattr(family, of) for family in FAMILIES]
    seen = [lab(np.array(SEEN[vision]) @ light(color)) for color in colors]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20
    brightness = [float(XYZ[1] @ light(color)) + 0.05 for color in (paper, *colors)]
    ratios = [max(one / brightness[0], brightness[0] / one) for one in brightness[1:]]
    assert min(ratios) > 3  # as WCAG 2.2 asks of graphics
    assert f"--paper: {paper};" in (WEB / "page.css").read_text()


def test_axes_keep_the_order_and_zero_has_its_own_position():
    scale = logarithmic([0, 960, 8100, 452300])
    positions = [scale.position(value) for value in (0, 960, 8100, 452300)]
    assert positions == sorted(positions) and 0 < positions[0] < 0.1 and positions[-1] < 1
    assert [text for _, text in scale.ticks()] == ["0", "1.0 k", "10.0 k", "100.0 k"]
    assert logarithmic([3.0, 3.0]).position(3.0) == pytest.approx(0.5)
    narrow = [text for _, text in logarithmic([3.1, 3.9], text="{:g}".format).ticks()]
    assert narrow == ["3.2", "3.4", "3.6", "3.8"]
    scale = linear([47.3, 98.6])
    assert [text for _, text in scale.ticks()] == ["50", "60", "70", "80", "90", "100"]
    for position, text in scale.ticks():
        assert scale.position(float(text)) == pytest.approx(position) and 0 <= position <= 1
    assert linear([0.5]).position(0.5) == pytest.approx(0.5)


def test_labels_that_would_overlap_are_moved_no_farther_than_needed():
    assert apart([0.0, 20.0], [10.0, 10.0], 100.0) == [0.0, 20.0]
    assert apart([10.0, 10.0, 80.0], [10.0] * 3, 100.0) == [5.0, 15.0, 80.0]
    assert apart([0.0, 1.0, 99.0], [10.0] * 3, 100.0) == [0.0, 10.0, 90.0]


def crowded(style, joined):
    """A panel of thirty approaches that nearly agree."""
    many = [
        Series(
            replace(style, number=k, tag=str(k)),
            tuple(Point(x, 90 + k % 7, 85, 97, "", ()) for x in ((k % 5, 9) if joined else (k,))),
            joined,
        )
        for k in range(30)
    ]
    return Panel("", Axis("", linear(range(30))), Axis("", linear([0, 100])), tuple(many))


def boxes(panel):
    """(left, top, right, bottom) of each label."""
    areas = []
    for label in labels(plot_area(panel)):
        width, height = text_size(label.lines)
        left = label.x - width if label.right else label.x
        top = label.y - LINE / 2
        areas.append((left, top, left + width, top + height))
    return areas


@pytest.mark.parametrize("joined", [False, True])
def test_no_label_hides_another(grid, joined):
    areas = boxes(crowded(series_styles(grid)["LoRA"], joined))
    assert len(areas) == (30 if joined else pytest.approx(30, abs=6))
    for one, other in itertools.combinations(areas, 2):
        across = min(one[2], other[2]) - max(one[0], other[0])
        down = min(one[3], other[3]) - max(one[1], other[1])
        assert min(across, down) < 1e-6


def test_labels_of_lines_stay_beside_the_plot(grid):
    """They hide neither the title above nor the axis below; the plot grows if there are many."""
    panel = crowded(series_styles(grid)["LoRA"], joined=True)
    plot = plot_area(panel)
    assert plot.height > PLOT_HEIGHT and plot.panel_height == plot.top + plot.height + BOTTOM
    assert all(top >= -1e-6 and bottom <= plot.height + 1e-6 for _, top, _, bottom in boxes(panel))
    assert f'viewBox="0 0 372 {plot.panel_height:g}"' in panel_svg(panel)


def test_titles_and_ticks_have_room(grid):
    panel = crowded(series_styles(grid)["LoRA"], joined=False)
    small, plain = Axis("", linear([0.00012, 0.00014])), plot_area(panel)
    long = replace(panel, title="a task with a long name, " * 5, y=small)
    plot = plot_area(long)
    assert len(plot.title) > 1 and plot.top == plain.top + 14 * (len(plot.title) - 1)
    assert all(plot.left + 1.12 * text_width(line) < 372 for line in plot.title)
    # The name of the axis takes the outer 20 pixels.
    assert plot.left - 20 > max(text_width(text) for _, text in small.scale.ticks())
    assert plain.left == LEFT and len(plot_area(replace(panel, title="")).title) == 1
    wide, narrow = text_width("中文" * 10), text_width("l." * 10)
    assert wide == 20 * TEXT and narrow < 20 * 5.4
