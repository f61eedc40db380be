import json

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.reporting import gather, read_labelled, render
from tfvae.training import Recipe, train

# What a run keeps beside it, with figures of every kind.
KEPT = {
    "nll": 12.25,
    "nll_method": "importance_weighted",
    "kl": 2.5,
    "reconstruction": 10.0,
    "nelbo": 12.5,
    "mi": 0.75,
    "mi_cap": 2.9957,
    "num_tokens": 12345,
    "bleu_2": 0.125,
    "forward_perplexity": 5.5,
    "gradient_memory": 0.000125,
    "notes": ["A note on `nll` & <unk>."],
}


@pytest.fixture(scope="session")
def runs(texts, tmp_path_factory):
    """Folders of a trained VAE, one of the same name, and a language model."""
    folder = tmp_path_factory.mktemp("runs")
    options = {"overrides": TINY, "epochs": 2, "batch_size": 20, "xla": False, **texts}
    # Which bounds what untrained models write.
    options |= {"max_length": 16, "too_long": "truncate"}
    paths = {"vae": folder / "vae", "other": folder / "more" / "vae"}
    train(Recipe("vae", **options), paths["vae"], verbose=0)
    paths["lm"] = folder / "lm"
    train(Recipe("language_model", **options), paths["lm"], verbose=0)
    # As a run that was broken off in its first epoch.
    paths["other"].mkdir(parents=True)
    (paths["other"] / "recipe.json").write_text(
        (paths["vae"] / "recipe.json").read_text()
    )
    (paths["other"] / "test.json").write_text(json.dumps(KEPT))
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture(scope="session")
def data(texts, tmp_path_factory):
    """Sentences with a word that no model knows, and labels."""
    path = tmp_path_factory.mktemp("data") / "test.tsv"
    with open(texts["valid"], encoding="utf-8") as file:
        lines = [f"{line.strip()} <xyzzy>" for line in file]
    rows = [f"{line}\t{'<odd>' if n % 2 else 'even'}" for n, line in enumerate(lines)]
    path.write_text("\n".join(["text\tkind", *rows]), encoding="utf-8")
    return read_labelled(str(path), label_column="kind")


@pytest.fixture(scope="session")
def records(runs, data):
    """All three runs, those with a model measured on the sentences."""
    return gather(list(runs.values()), data, num_samples=2, num_read=4)


@pytest.fixture(scope="session")
def html(records, data):
    """Their page."""
    return render(records, data)
