import json

import numpy as np
import pytest

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation import measures
from tfvae.evaluation.measures import (
    MEASURE_FIGURES,
    Group,
    check_groups,
    format_measures,
    measure,
)
from tfvae.evaluation.suite import evaluate
from tfvae.latents import Deterministic
from tfvae.models import LanguageModel
from tfvae.objectives import Reconstruction


@pytest.fixture(scope="module")
def toy_model():
    return toy.diagonal_vae(), support.dataset(toy.random_tokens(6), 3)


@pytest.fixture(scope="module")
def both(toy_model):
    """What `evaluate` gives."""
    return evaluate(*toy_model, num_samples=2, jit_compile=False)


def run(model, batches, groups, **options):
    return measure(model, batches, groups, num_samples=2, **options)


@pytest.mark.parametrize("groups", [None, ["likelihood", "latent"]])
def test_both_are_what_evaluate_gives(toy_model, both, groups):
    result = run(*toy_model, groups)
    assert set(result) == set(both)
    assert result["nll"] == pytest.approx(both["nll"], rel=1e-5)
    assert result["mi"] == pytest.approx(both["mi"], rel=1e-4)


def test_one_of_the_two(toy_model, both):
    likelihood = run(*toy_model, ["likelihood"])
    latent = run(*toy_model, ["latent"])
    assert {"nll", "kl", "perplexity"} < set(likelihood)
    assert {"mi", "mi_batch", "active_units", "marginal_kl"} < set(latent)
    shared = set(likelihood) & set(latent)
    assert shared <= {"num_sentences", "num_tokens", "num_samples", "seed"}
    assert set(both) <= set(likelihood) | set(latent)
    assert likelihood["nll"] == pytest.approx(both["nll"], rel=1e-5)


def test_groups_are_functions_by_name(toy_model, monkeypatch):
    group = Group(lambda model, request: {"colour": request.seed}, lambda model: None)
    monkeypatch.setitem(measures.GROUPS, "colour", group)
    assert run(*toy_model, ["colour"], seed=5) == {"colour": 5}


def test_all_leaves_out_what_is_not_defined(monkeypatch):
    for name in ("generation", "dynamics"):
        monkeypatch.delitem(measures.GROUPS, name)
    model = LanguageModel(support.make_decoder(inject=()))
    result = run(model, support.dataset(support.batch()), "all")
    assert "nll" in result and "bleu_1" not in result
    assert [note.split(" to measure")[0] for note in result["notes"]] == [
        "There is no latent",
        "There is no space",
        "There is no reconstruction",
    ]


def test_refuses_a_likelihood_without_a_density():
    model = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    with pytest.raises(ValueError, match="no likelihood.*`Deterministic`"):
        run(model, support.dataset(support.batch()), ["likelihood"])


@pytest.mark.parametrize("group", ["reconstruction", "latent", "dynamics"])
def test_refuses_what_needs_a_latent(group):
    model = LanguageModel(support.make_decoder(inject=()))
    with pytest.raises(ValueError, match=f"no {group}.*has no latent"):
        run(model, support.dataset(support.batch()), [group])


def test_refuses_generation_without_tokenizer_or_texts(toy_model, monkeypatch):
    with pytest.raises(ValueError, match="no tokenizer"):
        run(*toy_model, ["generation"])
    group = measures.GROUPS["generation"]._replace(undefined=lambda model: None)
    monkeypatch.setitem(measures.GROUPS, "generation", group)
    with pytest.raises(ValueError, match="needs `texts` and `train_texts`"):
        run(*toy_model, ["generation"], texts=lambda: iter([]))


@pytest.mark.parametrize("groups", [[], ["latents"], ["latent", "all"]])
def test_refuses_other_groups(groups):
    with pytest.raises(ValueError, match="Groups of measures must be some of"):
        check_groups(groups)


def test_groups_without_repetition():
    assert check_groups(["latent", "dynamics", "latent"]) == ["latent", "dynamics"]


def test_reconstruction_and_progress():
    asked = []

    def progress(total, unit_name):
        asked.append((total, unit_name))

    result = run(
        support.make_vae(),
        support.dataset(np.tile(support.batch((3, 2)), (2, 1)), 2),
        ["reconstruction"],
        num_reconstructions=0,
        num_batches=2,
        progress=progress,
    )
    assert asked == [(2, "batch")]
    assert set(result) <= set(MEASURE_FIGURES)
    assert json.loads(json.dumps(result)) == result
    table = format_measures(result)
    assert len(table.splitlines()) == len(result)
    assert "exact match" in table
