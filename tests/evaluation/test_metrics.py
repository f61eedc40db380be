import pytest

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


def test_every_metric_has_a_group():
    by_group = [of_group(name) for name in (*GROUPS, "general")]
    assert all(by_group)
    keys = [key for metrics in by_group for key in metrics]
    assert sorted(keys) == sorted(METRICS)
    assert list(of_group("latent")) == [
        key for key in METRICS if key in of_group("latent")
    ]
    with pytest.raises(ValueError, match="must be one of.*group='space'"):
        of_group("space")
