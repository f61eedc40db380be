from tfvae.evaluation.figures import DEFINITIONS, format_table


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


def test_definitions_are_sentences():
    for text in DEFINITIONS.values():
        assert text.endswith(".") and "\n" not in text
