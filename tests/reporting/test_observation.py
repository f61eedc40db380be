import numpy as np
import pytest

from tests.support import VOCABULARY_SIZE, make_vae
from tfvae.latents import Deterministic, Gaussian
from tfvae.models.writing import tokenize
from tfvae.objectives import Reconstruction
from tfvae.reporting.latent_pictures import label_groups, latent_pictures
from tfvae.reporting.observation import observe
from tfvae.text import WordTokenizer

WORDS = [f"word{index}" for index in range(VOCABULARY_SIZE - 4)]
TEXTS = [" ".join(np.roll(WORDS, n)[: n % 4 + 1]) for n in range(9)]


def model(posterior, **parts):
    tokenizer = WordTokenizer(vocabulary=WORDS)
    return make_vae(tokenizer=tokenizer, posterior=posterior, **parts)


def test_gaussian():
    vae = model(Gaussian(2))
    labels = ["a", "b", "a"] * 3
    found = observe(vae, TEXTS, labels, batch_size=4)
    params = {k: v.numpy() for k, v in vae.encode(tokenize(vae, TEXTS)).items()}
    variances = params["loc"].var(axis=0, ddof=1)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-4)
    assert found.num_active == (variances > 0.01).sum()
    scales = np.exp(params["log_variance"] / 2)
    np.testing.assert_allclose(found.scales.mean, scales.mean(axis=0), rtol=1e-5)
    assert found.prior_scale == 1.0 and found.num_texts == 9
    # A projection onto as many axes as there are keeps distances.
    codes, points = params["loc"], found.projection.coordinates
    expected = np.linalg.norm(codes[0] - codes[1:], axis=1)
    distances = np.linalg.norm(points[0] - points[1:], axis=1)
    np.testing.assert_allclose(distances, expected, rtol=1e-3)
    units, scales, codes = latent_pictures(found, "run0")
    assert f"{found.num_active} of 2 dimensions" in units.alt
    assert "a 6, b 3" in codes.alt and "<svg" in codes.svg


def test_single_codes_have_no_scales():
    found = observe(model(Deterministic(1), objective=[Reconstruction()]), TEXTS)
    assert found.scales is None and found.projection is None
    titles = [picture.title for picture in latent_pictures(found, "run0")]
    assert titles == ["Active units"]


def test_one_sentence():
    with pytest.raises(ValueError, match="two sentences"):
        observe(model(Gaussian(2)), TEXTS[:1])


def test_rare_labels_share_a_colour():
    labels = [str(n) for n in range(9)] + [str(n) for n in range(2, 8)]
    assert label_groups(labels) == [*"234567", "(others)"]
    assert label_groups(["b", "a", "b"]) == ["a", "b"]
