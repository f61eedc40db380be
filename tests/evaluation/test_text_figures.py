from tfvae.evaluation import figures, text_figures


def test_definitions_are_sentences():
    every = text_figures.RECONSTRUCTION_FIGURES | text_figures.GENERATION_FIGURES
    for figure in every.values():
        assert figure.name.strip() and "{" not in figure.definition
        assert figure.definition.endswith(".") and "\n" not in figure.definition


def test_keys_are_not_those_of_evaluate():
    for table in (text_figures.RECONSTRUCTION_FIGURES, text_figures.GENERATION_FIGURES):
        assert not set(table) & set(figures.DEFINITIONS)
