import pytest

from tfvae.evaluation import metrics
from tfvae.evaluation.metrics import GROUPS, METRICS, format_table, of_group


def test_aligns_columns_and_keeps_the_order_of_definitions():
    table = format_table(
        {"seed": 7, "kl_method": "closed_form", "kl": 1.23456, "notes": ["Mind it."]}
    )
    assert table.split("\n") == [
        "KL               1.235  nats/sentence",
        "KL method  closed_form",
        "seed                 7",
        "Note: Mind it.",
    ]


def test_leaves_out_what_is_not_defined():
    assert format_table({"per_sentence": {}}) == ""
    assert format_table({"kl": 1.0, "bleu_1": 0.5}, of_group("likelihood")) == (
        "KL  1.000  nats/sentence"
    )


def test_definitions_are_sentences():
    for metric in METRICS.values():
        assert metric.name.strip() and "{" not in metric.definition
        assert metric.definition.endswith(".") and "\n" not in metric.definition


def test_every_metric_has_one_group():
    tables = {
        name: getattr(metrics, f"_{name.upper()}") for name in (*GROUPS, "general")
    }
    assert sum(map(len, tables.values())) == len(METRICS)
    for name, table in tables.items():
        assert list(of_group(name)) == list(table)
    with pytest.raises(ValueError, match="must be one of.*group='space'"):
        of_group("space")
