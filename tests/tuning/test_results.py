import csv
import pathlib

from tfvae.tuning.results import (
    _draw,
    _draw_transfer,
    best_of,
    format_results,
    plot_results,
    read_errors,
    read_results,
    rows_of,
    write_table,
)

VALUES = [{"beta": 0.8}, {"beta": 0.1}, {"beta": 0.4}]
METRICS = [
    {"nll": 31.0, "kl": 1.5, "mi": 0.25, "mi_cap": 3.0},
    {"nll": 30.5, "kl": 6.0, "mi": 2.5, "mi_cap": 3.0},
    {"nll": 30.25, "kl": 4.0, "mi": 2.0, "mi_cap": 3.0},
]


def test_results_in_the_order_of_values(make_results):
    results = read_results(make_results(VALUES, METRICS))
    assert [result["values"]["beta"] for result in results] == [0.1, 0.4, 0.8]
    assert [result["trial"] for result in results] == [1, 2, 0]
    assert best_of(results)["trial"] == 2
    assert results[1]["folder"].endswith("002")


def test_table(make_results, tmp_path):
    folder = make_results(VALUES, METRICS)
    write_table(read_results(folder), f"{folder}/table.csv")
    with open(f"{folder}/table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nll"]) for row in rows] == [30.5, 30.25, 31.0]
    assert rows[0] == {
        "trial": "1",
        "beta": "0.1",
        "epochs": "3",
        "nll": "30.5",
        "kl": "6.0",
        "mi": "2.5",
        "mi_cap": "3.0",
        "folder": "trials/001",
    }


def test_text_marks_the_best(make_results):
    lines = format_results(read_results(make_results(VALUES, METRICS))).splitlines()
    assert lines[0].split() == ["trial", "beta", "epochs", "nll", "kl", "mi", "mi_cap"]
    assert lines[2].split() == "2 0.4 3 30.250 4.000 2.000 3.000 *".split()
    assert [line.endswith("*") for line in lines] == [False, False, True, False, False]
    assert lines[-1] == "* lowest nll"


def test_objective_has_its_column(make_results):
    folder = make_results(VALUES[:1], [{"nll": 31.0}], objective="nll - 1 * mi")
    (row,) = rows_of(read_results(folder))
    assert row["nll - 1 * mi"] == 1.0 and row["nll"] == 31.0


def test_errors(make_results, tmp_path):
    folder = make_results(VALUES, METRICS)
    assert read_errors(folder) == {}
    (tmp_path / "trials" / "003").mkdir()
    (tmp_path / "trials" / "003" / "error.txt").write_text("Traceback\nOSError: full\n")
    assert read_errors(folder) == {"trials/003": "OSError: full"}
    assert len(read_results(folder)) == 3


def test_writes_both_files(make_results, tmp_path):
    results = read_results(make_results(VALUES, METRICS))
    png, svg = map(pathlib.Path, plot_results(results, tmp_path / "sweep"))
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for word in ("beta", "NLL", "KL", "mutual information", "lowest nll"):
        assert word in text


def _lines(axes):
    return list(axes.lines[0].get_xdata()), list(axes.lines[0].get_ydata())


def test_panels_show_the_metrics(make_results):
    figure = _draw(read_results(make_results(VALUES, METRICS)))
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
    figure = _draw(read_results(make_results(values, METRICS)))
    assert len(figure.axes) == 6
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["mmd_weight", "alpha"]
    assert [axes.get_xscale() for axes in figure.axes[:2]] == ["log", "linear"]


def test_without_a_density(make_results):
    metrics = [{"reconstruction": 20.0}, {"reconstruction": 21.0}]
    (axes,) = _draw(read_results(make_results(VALUES[:2], metrics))).axes
    assert _lines(axes)[1] == [21.0, 20.0]


def test_nothing_to_plot(make_results, tmp_path):
    values = [{"cell": "gru"}, {"cell": "lstm"}]
    results = read_results(make_results(values, METRICS[:2]))
    assert plot_results(results, tmp_path / "sweep") == []
    assert not (tmp_path / "sweep.png").exists()


def test_transfers_are_drawn_over_content(make_results, tmp_path):
    values = [{"adversary_weight": weight} for weight in (0.3, 3.0)]
    metrics = [
        {
            "transfer_accuracy": 0.5,
            "transfer_self_bleu": 0.9,
            "1 - transfer_joint": 0.3,
        },
        {
            "transfer_accuracy": 1.0,
            "transfer_self_bleu": 0.6,
            "1 - transfer_joint": 0.2,
        },
    ]
    folder = make_results(values, metrics, objective="1 - transfer_joint")
    (axes,) = _draw_transfer(read_results(folder)).axes
    assert _lines(axes) == ([0.9, 0.6], [0.5, 1.0])
    assert [text.get_text() for text in axes.texts] == ["0.3", "3.0"]
    assert "a value of adversary_weight" in axes.figure.get_suptitle()
    assert list(axes.lines[1].get_xdata()) == [0.6]
    written = plot_results(read_results(folder), tmp_path / "sweep")
    names = [pathlib.Path(path).name for path in written]
    assert names[-2:] == ["sweep-transfer.png", "sweep-transfer.svg"]
    assert "BLEU with the source" in pathlib.Path(written[-1]).read_text()


def test_without_transfers_there_is_no_such_plot(make_results):
    assert _draw_transfer(read_results(make_results(VALUES, METRICS))) is None
