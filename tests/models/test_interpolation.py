import numpy as np
import pytest
import tensorflow as tf

from tests.support import make_decoder, make_vae
from tfvae.latents import SphericalUniform, VonMisesFisher
from tfvae.models import LanguageModel
from tfvae.models.inputs import tokenize
from tfvae.models.writing import (
    encode_means,
    interpolate,
    interpolate_codes,
    sample_endpoints,
)
from tfvae.samplers import Greedy
from tfvae.text import WordTokenizer

WORDS = list("abcdefg")


@pytest.fixture
def model(rng):
    model = make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))
    # Large weights, for sentences that differ.
    model.decoder.set_weights(
        [rng.normal(size=values.shape) for values in model.decoder.get_weights()]
    )
    return model


def texts_of(model, z):
    ids = model.decode_ids(tf.constant(z, tf.float32), max_length=5)
    return [text.decode("utf-8") for text in model.tokenizer.detokenize(ids).numpy()]


def test_goes_straight_from_one_to_the_other(model):
    found = interpolate(model, "a b", "c", num_steps=3, max_length=5)
    assert [fraction for fraction, _ in found] == [0.0, 0.5, 1.0]
    first, last = model.posterior.mode(
        model.posterior_params(tokenize(model, ["a b", "c"]))
    )
    expected = texts_of(model, np.stack([first, (first + last) / 2, last]))
    assert [text for _, text in found] == expected


def test_interpolate_codes_takes_the_path_that_is_asked_for(model):
    first, last = np.array([3.0, 0.0]), np.array([-1.0, 2.0])
    middle = {"line": [1.0, 1.0]}
    norm = (3.0 + np.sqrt(5.0)) / 2
    direction = first / 3.0 + last / np.sqrt(5.0)
    middle["sphere"] = norm * direction / np.linalg.norm(direction)
    for path in ("line", "sphere"):
        found = interpolate_codes(
            model, first, last, num_steps=3, path=path, max_length=5
        )
        expected = texts_of(model, np.stack([first, middle[path], last]))
        assert [text for _, text in found] == expected
    found = interpolate_codes(model, first, last, num_steps=3, max_length=5)
    assert found == interpolate_codes(
        model, first, last, num_steps=3, path="line", max_length=5
    )


def test_stays_on_the_sphere(rng):
    model = make_vae(
        posterior=VonMisesFisher(2),
        prior=SphericalUniform(2),
        tokenizer=WordTokenizer(vocabulary=WORDS),
    )
    seen = []

    class Seeing(Greedy):
        def __call__(self, decoder, memory, *args):
            seen.append(memory)
            return super().__call__(decoder, memory, *args)

    tf.config.run_functions_eagerly(True)
    try:
        interpolate(model, "a b", "c", num_steps=5, sampler=Seeing())
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(np.linalg.norm(seen[0], axis=1), 1.0, rtol=1e-5)


def test_ends_from_the_prior(model):
    ends = np.concatenate([sample_endpoints(model, seed) for seed in range(40)])
    assert len(np.unique(ends, axis=0)) == 80
    assert (abs(ends.mean(0)) < 4 / np.sqrt(80)).all()
    assert (sample_endpoints(model, 3) == ends[6:8]).all()


def test_points(model):
    expected = model.posterior.mode(
        model.posterior_params(tokenize(model, ["a", "b c"]))
    )
    np.testing.assert_allclose(encode_means(model, ["a", "b c"]), expected, atol=1e-6)


def test_errors(model):
    with pytest.raises(ValueError, match="`num_steps` must be at least 2.*=1"):
        interpolate(model, "a", "b", num_steps=1)
    with pytest.raises(ValueError, match="path='curve'"):
        interpolate(model, "a", "b", path="curve")
    language_model = LanguageModel(
        make_decoder(conditioning=()), tokenizer=WordTokenizer(vocabulary=WORDS)
    )
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        interpolate(language_model, "a", "b")
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        sample_endpoints(language_model)
