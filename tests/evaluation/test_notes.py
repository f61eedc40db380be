import pytest

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.notes import describe
from tfvae.latents import Deterministic, Implicit
from tfvae.objectives import Reconstruction


def notes(model, num_samples=3):
    scorer = SentenceScorer(model, num_samples or 1, jit_compile=False)
    return describe(scorer, num_samples)


def test_usual_models_need_no_note():
    assert notes(toy.diagonal_vae()) == []


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"posterior": Implicit(2)}, "`Implicit` has a linear network"),
        ({"posterior": Implicit(2, 1)}, "`Implicit` can be sampled"),
        ({"posterior": Deterministic(2)}, "`Deterministic` is a single code"),
        ({"prior": Implicit(2)}, "prior `Implicit` has no density"),
    ],
)
def test_says_what_is_missing_and_why(parts, words):
    model = support.make_vae(objective=[Reconstruction()], **parts)
    (note,) = notes(model)
    assert words in note and note.endswith(".") and "\n" not in note


def test_says_that_the_likelihood_was_not_asked_for():
    assert "`nelbo` is looser" in notes(toy.diagonal_vae(), 0)[0]
    first, second = notes(toy.implicit_vae(layers=True), 0)
    assert "can be sampled" in first and second == "`nll` was left out, as asked."
