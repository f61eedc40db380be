import pathlib

import pytest

from tests.tuning.test_results import FIGURES, VALUES
from tfvae.tuning.plot import _draw, plot_results
from tfvae.tuning.results import read_results

pytest.importorskip("matplotlib")


def test_writes_both_files(make_results, tmp_path):
    results = read_results(make_results(VALUES, FIGURES))
    png, svg = map(pathlib.Path, plot_results(results, tmp_path / "sweep"))
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for word in ("beta", "NLL", "KL", "mutual information", "lowest nll"):
        assert word in text


def _lines(axes):
    return list(axes.lines[0].get_xdata()), list(axes.lines[0].get_ydata())


def test_panels_show_the_figures(make_results):
    figure = _draw(read_results(make_results(VALUES, FIGURES)))
    nll, kl, mi = figure.axes
    expected = [30.5, 30.25, 31.0], [6.0, 4.0, 1.5], [2.5, 2.0, 0.25]
    for axes, ys in zip((nll, kl, mi), expected, strict=True):
        xs, drawn = _lines(axes)
        assert xs == [0.1, 0.4, 0.8]
        assert drawn == ys
    # The best trial is ringed, and the cap drawn where it is near.
    assert list(nll.lines[1].get_xdata()) == [0.4]
    assert list(mi.lines[2].get_ydata()) == [3.0, 3.0]
    assert nll.get_xscale() == "linear"


def test_two_options_have_two_columns(make_results):
    values = [
        {"mmd_weight": 1.0, "cell": "gru", "alpha": 0.5},
        {"mmd_weight": 100.0, "cell": "lstm", "alpha": 0.5},
        {"mmd_weight": 10.0, "cell": "gru", "alpha": 0.0},
    ]
    figure = _draw(read_results(make_results(values, FIGURES)))
    assert len(figure.axes) == 6
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["mmd_weight", "alpha"]
    assert [axes.get_xscale() for axes in figure.axes[:2]] == ["log", "linear"]


def test_without_a_density(make_results):
    figures = [{"reconstruction": 20.0}, {"reconstruction": 21.0}]
    (axes,) = _draw(read_results(make_results(VALUES[:2], figures))).axes
    assert _lines(axes)[1] == [21.0, 20.0]


def test_nothing_to_plot(make_results, tmp_path):
    values = [{"cell": "gru"}, {"cell": "lstm"}]
    results = read_results(make_results(values, FIGURES[:2]))
    assert plot_results(results, tmp_path / "sweep") == []
    assert not (tmp_path / "sweep.png").exists()
