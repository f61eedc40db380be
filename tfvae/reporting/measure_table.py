"""The table of all measures of all runs."""

import typing

from tfvae.evaluation import dynamics, text_figures
from tfvae.evaluation.measures import MEASURE_FIGURES

_FIRST = "Likelihood and latent code"
_GROUPS = {
    "Reconstruction": text_figures.RECONSTRUCTION_FIGURES,
    "Generation": text_figures.GENERATION_FIGURES,
    "Training dynamics": dynamics.DEFINITIONS,
}


class Row(typing.NamedTuple):
    """A row of the table.

    Attributes:
        key: Str, the figure's key.
        name: Str.
        unit: Str.
        definition: Str.
        number: Int, of the footnote.
        is_detail: Whether it explains the figure above.
        cells: List of str, one a column, or `None` where it was not measured.
    """

    key: str
    name: str
    unit: str
    definition: str
    number: int
    is_detail: bool
    cells: list


class Column(typing.NamedTuple):
    """A column of the table.

    Attributes:
        run: Str, the run's name.
        source: Str, where its figures are from.
        figures: Dict of them.
    """

    run: str
    source: str
    figures: dict


def columns_of(records):
    """Gives a column for each evaluation, and one for a run that has none.

    Args:
        records: List of `RunRecord`.

    Returns:
        List of `Column`.
    """
    columns = []
    for record in records:
        results = record.results or [("not measured", {})]
        columns += [Column(record.name, *result) for result in results]
    return columns


def table_of(columns):
    """Lays out figures by groups.

    Args:
        columns: List of `Column`.

    Returns:
        Dict from a group's title to its rows, list of `Row`, those figures that a
        column has. Groups without a row are left out.
    """
    table, number = {}, 0
    for title, keys in _grouped_keys().items():
        rows = []
        for key in keys:
            cells = [column.figures.get(key) for column in columns]
            if all(cell is None for cell in cells):
                continue
            number += 1
            figure = MEASURE_FIGURES[key]
            rows.append(
                Row(
                    key=key,
                    name=figure.name.strip().replace("_", " "),
                    unit=figure.unit,
                    definition=figure.definition,
                    number=number,
                    is_detail=figure.name.startswith(" "),
                    cells=[None if cell is None else _text(cell) for cell in cells],
                )
            )
        if rows:
            table[title] = rows
    return table


def _grouped_keys():
    """Gives all keys by groups; the first holds those of no other."""
    elsewhere = {key for keys in _GROUPS.values() for key in keys}
    first = [key for key in MEASURE_FIGURES if key not in elsewhere]
    return {_FIRST: first, **_GROUPS}


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        # Very small and very large figures keep their digits.
        is_plain = value == 0 or 0.01 <= abs(value) < 1e5
        return f"{value:.3f}" if is_plain else f"{value:.4g}"
    return str(value)
