from types import SimpleNamespace

import numpy as np
import pytest

from tests.decoders.reference import reference_logits, targets_of
from tests.support import LENGTHS, dataset, log_softmax, make_decoder
from tfvae.models import LanguageModel
from tfvae.objectives import KL, Reconstruction


def language_model(**options):
    return LanguageModel(make_decoder(conditioning=(), **options))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_nll_is_exact(inputs, tokens, cell):
    model = language_model(cell=cell)
    nll = model.likelihood_metrics(model.forward(inputs))["nll"]
    for row, length in enumerate(LENGTHS):
        words = tokens[row, :length].tolist()
        scores = log_softmax(reference_logits(model.decoder, words, np.zeros(0)))
        expected = -scores[np.arange(length + 1), targets_of(words)].sum()
        assert float(nll[row]) == pytest.approx(expected, rel=1e-4)


def test_figures_of_a_test_run(tokens):
    model = language_model()
    model.compile(jit_compile=False, run_eagerly=True)
    logs = model.evaluate(dataset(tokens, 2), verbose=0, return_dict=True)
    nll = model.predict(dataset(tokens, 2), verbose=0)["nll"]
    num_tokens = sum(LENGTHS) + len(LENGTHS)
    assert set(logs) == {"loss", "reconstruction", "nll", "perplexity"}
    assert logs["nll"] == pytest.approx(nll.mean(), rel=1e-5)
    expected = np.exp(nll.sum() / num_tokens)
    assert logs["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert model.monitor == "val_nll"


def test_there_is_one_sample_whatever_is_asked(inputs):
    forward = language_model().forward(inputs, num_samples=5)
    assert forward.log_likelihood.shape == (1, len(LENGTHS))
    assert forward.z is None


def test_generate_follows_its_seed():
    model = language_model()
    first = model.generate_ids(6, max_length=5, seed=1).numpy()
    assert first.shape == (6, 5)
    assert (first == model.generate_ids(6, max_length=5, seed=1).numpy()).all()
    assert (first != model.generate_ids(6, max_length=5, seed=2).numpy()).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: LanguageModel(make_decoder()),
            r"its decoder needs `conditioning=\(\)`.*\('state', 'inputs'\)",
        ),
        (
            lambda: LanguageModel(
                make_decoder(conditioning=()),
                tokenizer=SimpleNamespace(vocabulary_size=9, has_vocabulary=True),
            ),
            "`tokenizer` and `decoder` need one `vocabulary_size`.*9 and 11",
        ),
        (
            lambda: LanguageModel(
                make_decoder(conditioning=()), objective=[Reconstruction(), KL()]
            ),
            "`KL` needs a posterior with a density.*posterior=no latent",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
