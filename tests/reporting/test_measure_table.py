from tests.reporting.conftest import KEPT
from tfvae.evaluation.measures import MEASURE_FIGURES
from tfvae.reporting.measure_table import Column, _text, table_of


def test_numbers():
    cells = [0.0, -1.23456, 0.00012345, 123456.7, 9999, 10000, True, "closed_form"]
    found = "0.000 -1.235 0.0001234 1.235e+05 9999 10,000 yes".split()
    assert [_text(cell) for cell in cells] == [*found, "closed form"]


def test_every_figure_has_a_place():
    figures = dict.fromkeys(MEASURE_FIGURES, 1.0)
    table = table_of([Column("a", "b", figures)])
    rows = [row for rows in table.values() for row in rows]
    assert {row.key for row in rows} == set(MEASURE_FIGURES)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_groups_without_a_figure_are_left_out():
    columns = [Column("a", "test.json", KEPT), Column("b", "not measured", {})]
    table = table_of(columns)
    assert len(table) == 4 and len(table_of([columns[1]])) == 0
    row = next(
        row for row in table["Likelihood and latent code"] if row.key == "mi_cap"
    )
    assert row.cells == ["2.996", None] and row.is_detail
