"""Are the pictures right, and the same bytes for the same numbers?"""

import io
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from quicsim.analysis.plots import Mark, ecdf

ROOT = Path(__file__).parents[2]
SERIES = {"without": [50.0] * 20, "with-tlp": [30 + index / 10 for index in range(20)]}
MARKS = [Mark("without", 50.0, "paper: 50 ms")]


def chart():
    return ecdf(SERIES, "reaction (ms)", "A title", MARKS)


def test_the_line_is_the_share_of_samples_at_or_below():
    axes = chart().figure.axes[0]
    x, y = axes.lines[1].get_data()
    assert x[-1] == 31.9
    assert y[-1] == 1
    assert y[list(x).index(30.9)] == pytest.approx(10 / 20)


def test_labels_name_units_counts_and_what_is_deterministic():
    figure = chart().figure
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["without (n = 20, deterministic)", "with-tlp (n = 20)"]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_title()) == ("reaction (ms)", "A title")
    assert [text.get_text() for text in axes.texts] == ["paper: 50 ms"]


def test_a_subtitle_stands_under_the_title_as_it_is_written():
    figure = ecdf(SERIES, "x", "A title", subtitle="path=$a$ " + "word " * 40).figure
    assert figure.get_suptitle() == "A title"
    lines = figure.axes[0].get_title().splitlines()
    assert lines[0].startswith(r"path=\$a\$ word")
    assert len(lines) > 1


def test_the_same_numbers_are_the_same_bytes(tmp_path):
    one, other = chart(), chart()
    assert one.svg() == other.svg() == one.svg()
    assert one.png() == other.png()
    assert b"<dc:date>" not in one.svg()
    png, svg = one.save(tmp_path / "new", "figure")
    assert (png.read_bytes(), svg.read_bytes()) == (one.png(), one.svg())
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["figure.png", "figure.svg"]


def test_a_notebook_gets_the_picture_with_words_for_it():
    one = chart()
    shown, metadata = one._repr_png_()
    assert shown == one.png()
    title, across, up = (" ".join(text.split()) for text in metadata["alt"].split(";")[-3:])
    assert title
    assert (across, up) == ("reaction (ms)", "share of samples")


def test_the_picture_is_drawn():
    pixels = imread(io.BytesIO(chart().png()))
    blue = np.all(np.abs(pixels[:, :, :3] - np.array([0x00, 0x72, 0xB2]) / 255) < 0.02, axis=2)
    assert blue.sum() > 500


def test_nothing_of_matplotlib_s_state_is_changed():
    before = dict(mpl.rcParams)
    chart().png()
    assert dict(mpl.rcParams) == before
    program = "import sys; from tests.analysis import test_plots; test_plots.chart().png(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "matplotlib.figure" in done.stdout.split()
    assert "matplotlib.pyplot" not in done.stdout.split()


@pytest.mark.parametrize("series", [{}, {"a": []}])
def test_nothing_is_not_drawn(series):
    with pytest.raises(ValueError, match="nothing to draw"):
        ecdf(series, "x", "title")
