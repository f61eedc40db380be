import csv

from tfvae.tuning.results import (
    best_of,
    format_results,
    read_errors,
    read_results,
    rows_of,
    write_table,
)

VALUES = [{"beta": 0.8}, {"beta": 0.1}, {"beta": 0.4}]
FIGURES = [
    {"nll": 31.0, "kl": 1.5, "mi": 0.25, "mi_cap": 3.0},
    {"nll": 30.5, "kl": 6.0, "mi": 2.5, "mi_cap": 3.0},
    {"nll": 30.25, "kl": 4.0, "mi": 2.0, "mi_cap": 3.0},
]


def test_results_in_the_order_of_values(make_results):
    results = read_results(make_results(VALUES, FIGURES))
    assert [result["values"]["beta"] for result in results] == [0.1, 0.4, 0.8]
    assert [result["trial"] for result in results] == [1, 2, 0]
    assert best_of(results)["trial"] == 2
    assert results[1]["folder"].endswith("002")


def test_table(make_results, tmp_path):
    folder = make_results(VALUES, FIGURES)
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
    lines = format_results(read_results(make_results(VALUES, FIGURES))).splitlines()
    assert lines[0].split() == ["trial", "beta", "epochs", "nll", "kl", "mi", "mi_cap"]
    assert lines[2].split() == "2 0.4 3 30.250 4.000 2.000 3.000 *".split()
    assert [line.endswith("*") for line in lines] == [False, False, True, False, False]
    assert lines[-1] == "* lowest nll"


def test_objective_has_its_column(make_results):
    folder = make_results(VALUES[:1], [{"nll": 31.0}], objective="nll - 1 * mi")
    (row,) = rows_of(read_results(folder))
    assert row["nll - 1 * mi"] == 1.0 and row["nll"] == 31.0


def test_errors(make_results, tmp_path):
    folder = make_results(VALUES, FIGURES)
    assert read_errors(folder) == {}
    (tmp_path / "trials" / "003").mkdir()
    (tmp_path / "trials" / "003" / "error.txt").write_text("Traceback\nOSError: full\n")
    assert read_errors(folder) == {"trials/003": "OSError: full"}
    assert len(read_results(folder)) == 3
