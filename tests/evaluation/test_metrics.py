import re

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


def test_what_a_newcomer_needs_comes_first():
    keys = [
        line.split("  1.0")[0].rstrip()
        for line in format_table(dict.fromkeys(METRICS, 1.0)).split("\n")
    ]
    assert keys[:26] == [
        "reconstruction",
        "KL",
        "negative ELBO",
        "  its standard error",
        "NLL",
        "  its method",
        "  samples of the prior",
        "  prior in its proposal",
        "  samples fitted",
        "  its standard error",
        "perplexity (NLL)",
        "context gain",
        "  its standard error",
        "latent gain",
        "  its standard error",
        "mutual information",
        "  its standard error",
        "  its cap",
        "active units",
        "  threshold",
        "  noise of the means",
        "  of latent dimensions",
        # The others as they are defined.
        "KL method",
        "perplexity (negative ELBO)",
        "critic's negative ELBO",
        "critic's KL",
    ]
    assert sorted(keys) == sorted(metric.name for metric in METRICS.values())
    shown = format_table({"mi": 1.0, "mi_cap": 2.0, "seed": 1}, of_group("latent"))
    assert shown.count("\n") == 1


def test_zero_has_no_sign_and_information_is_not_negative():
    result = {"kl": -0.0, "mi": -0.02, "mi_loo": -3.0, "mi_batch": 0.01, "mi_se": 0.03}
    result |= {"marginal_kl": -4e-4, "aggregated_mmd": -0.02, "unigram_kl": -4e-4}
    table = format_table(result)
    numbers = re.findall(r"-?\d\.\d{3}", table)
    assert numbers == "0.000 0.000 0.030 0.010 0.000 0.000 -0.020 0.000".split()
    # The metrics themselves stay.
    assert result["mi"] == -0.02


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
