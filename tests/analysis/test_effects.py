"""Do pictures of effects stay readable, and show nothing that is not there?"""

from itertools import pairwise

import matplotlib as mpl
import pytest

from quicsim.analysis import inline
from quicsim.analysis.effects import Level, effect, heat_map, shares
from quicsim.analysis.inference import mean_estimate


def levels(names, samples, places=None):
    return [
        Level(name, place, mean_estimate(samples))
        for name, place in zip(names, places or [None] * len(names), strict=True)
    ]


def drawn(picture, monkeypatch):
    """The axes as they are drawn for a page."""
    figures = []
    monkeypatch.setattr(inline, "_svg", lambda figure, title: figures.append(figure) or "")
    picture.svg()
    with mpl.rc_context(inline._STYLE):
        figures[0].draw_without_rendering()
    return figures[0].axes[0]


def overlap(axes):
    """Whether two labels along x run into each other: upright ones by their boxes, slanted ones by their feet."""
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    if labels[0].get_rotation():
        feet = sorted(axes.transData.transform((label.get_position()[0], 0))[0] for label in labels)
        return any(b - a < label.get_fontsize() for a, b, label in ((*pair, labels[0]) for pair in pairwise(feet)))
    low, high = axes.get_xlim()
    boxes = [each.get_window_extent() for each in labels if low <= each.get_position()[0] <= high]
    return any(one.x1 >= other.x0 for one, other in pairwise(boxes))


NAMES = [
    ["newreno", "cubic", "bbr"], ["0", "0.5", "2"], ["newreno", "cubic", "bbr", "olia", "lia"],
    ["2.5 to 7.25", "7.25 to 11.8", "11.8 to 16.2", "16.2 to 20.6", "20.6 to 25"],
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_labels_along_x_do_not_run_into_each_other(names, monkeypatch):
    assert not overlap(drawn(effect("t", {"a": levels(names, [1.0] * 5)}, "x", "y"), monkeypatch))
    values = [[1.0] * len(names)] * 2
    assert not overlap(drawn(heat_map("t", names, ["up", "down"], values, ("x", "y", "z")), monkeypatch))


@pytest.mark.parametrize("places", [[20_000, 40_000, 60_000, 80_000], [0.00125, 0.0025, 0.005], [1e6, 1e7, 1e8]])
def test_numbers_along_x_do_not_run_into_each_other(places, monkeypatch):
    line = levels([str(place) for place in places], [1.0] * 5, places)
    assert not overlap(drawn(effect("t", {"a": line}, "x", "y"), monkeypatch))
    assert not overlap(drawn(shares("t", {"a": places}, "x", (places[0], places[-1])), monkeypatch))


def test_words_are_not_joined_by_lines_and_numbers_are():
    for places, style in ((None, "None"), ([1.0, 2.0], "-")):
        [axes] = effect("t", {"a": levels(["1", "2"], [1.0, 2.0], places)}, "x", "y").chart().figure.axes
        assert axes.containers[0].lines[0].get_linestyle() == style


@pytest.mark.parametrize("places", [None, [1.0, 2.0]])
def test_no_two_of_many_series_look_alike(places, monkeypatch):
    lines = {str(number): levels(["1", "2"], [1.0, 2.0], places) for number in range(12)}
    shown = [each.lines[0] for each in drawn(effect("t", lines, "x", "y"), monkeypatch).containers]
    assert len({(line.get_color(), line.get_marker()) for line in shown}) == 12


def test_a_series_without_levels_keeps_its_colour_for_itself():
    line = levels(["1", "2"], [1.0, 2.0])
    [whole], [part] = (
        effect("t", lines, "x", "y").chart().figure.axes for lines in ({"a": line, "b": line}, {"a": [], "b": line})
    )
    assert whole.containers[1].lines[0].get_color() == part.containers[0].lines[0].get_color()


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([1.0, 2.0, 3.0], "No intervals: 3 settings or runs are too few for one (5 are needed)."),
        ([1.0] * 6, "No intervals: all samples at a level are one number."),
        ([1.0, 2.0, 3.0, 4.0, 5.0], ""),
    ],
)
def test_a_picture_says_why_it_has_no_intervals(samples, says):
    assert effect("t", {"a": levels(["1"], samples)}, "x", "y").remark == says


def test_where_some_have_an_interval_the_others_are_spoken_of():
    lines = {"a": [*levels(["1"], [1.0, 2.0]), *levels(["2"], [1.0, 2.0, 3.0, 4.0, 5.0])]}
    assert effect("t", lines, "x", "y").remark.startswith("Some have no interval: 2 settings or runs")
