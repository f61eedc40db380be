import numpy as np
import pytest
import scipy.stats

from tests.support import VOCABULARY_SIZE, make_vae
from tfvae.latents import Deterministic, Gaussian
from tfvae.models.inputs import tokenize
from tfvae.objectives import Reconstruction
from tfvae.reporting.latent_pictures import (
    label_groups,
    latent_pictures,
    principal_projection,
    summarize_latent,
)
from tfvae.text import WordTokenizer

WORDS = [f"word{index}" for index in range(VOCABULARY_SIZE - 4)]
TEXTS = [" ".join(np.roll(WORDS, n)[: n % 4 + 1]) for n in range(9)]


def model(posterior, **parts):
    tokenizer = WordTokenizer(vocabulary=WORDS)
    return make_vae(tokenizer=tokenizer, posterior=posterior, **parts)


def test_gaussian():
    vae = model(Gaussian(2))
    labels = ["a", "b", "a"] * 3
    found = summarize_latent(vae, TEXTS, labels, batch_size=4)
    params = {
        k: v.numpy() for k, v in vae.posterior_params(tokenize(vae, TEXTS)).items()
    }
    variances = params["loc"].var(axis=0, ddof=1)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-4)
    assert found.num_active == (variances > 0.01).sum()
    scales = np.exp(params["log_variance"] / 2)
    np.testing.assert_allclose(found.scales, scales, rtol=1e-5)
    assert found.prior_scale == 1.0 and found.num_texts == 9
    # A projection onto as many axes as there are keeps distances.
    codes, points = params["loc"], found.projection.coordinates
    expected = np.linalg.norm(codes[0] - codes[1:], axis=1)
    distances = np.linalg.norm(points[0] - points[1:], axis=1)
    np.testing.assert_allclose(distances, expected, rtol=1e-3)
    units, scales, codes = latent_pictures(found, "run0")
    assert f"{found.num_active} of 2 dimensions" in units.alt
    assert "a 6, b 3" in codes.alt and "<svg" in codes.svg


def test_scales_are_counted_from_zero():
    found = summarize_latent(model(Gaussian(2)), TEXTS)
    scales = np.array([[0.05, 2.0], [0.3, 1.05]])
    _, picture, _ = latent_pictures(found._replace(scales=scales), "run0")
    assert "from 0 to 2 with a mean of 0.85; 25% are below 0.1" in picture.alt
    assert picture.caption.startswith("Mean 0.85; 25% below 0.1.")


def test_projection_finds_the_axes(rng):
    spread = rng.normal(size=(3000, 3)) * [1.0, 5.0, 2.0]
    turn = scipy.stats.special_ortho_group.rvs(3, random_state=0)
    points = spread @ turn.T + [1.0, 2.0, 3.0]
    found = principal_projection(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    order = np.argsort(-values)[:2]
    np.testing.assert_allclose(found.explained, values[order] / values.sum())
    likeness = abs(np.sum(found.axes * vectors[:, order].T, axis=1))
    np.testing.assert_allclose(likeness, 1.0)
    np.testing.assert_allclose(
        found.coordinates, (points - points.mean(0)) @ found.axes.T, atol=1e-9
    )
    assert (found.axes.max(1) == abs(found.axes).max(1)).all()
    with pytest.raises(ValueError, match="num_axes=3"):
        principal_projection(np.zeros([3, 2]), 3)


def test_single_codes_have_no_scales():
    found = summarize_latent(
        model(Deterministic(1), objective=[Reconstruction()]), TEXTS
    )
    assert found.scales is None and found.projection is None
    titles = [picture.title for picture in latent_pictures(found, "run0")]
    assert titles == ["Active units"]


def test_one_sentence():
    with pytest.raises(ValueError, match="two sentences"):
        summarize_latent(model(Gaussian(2)), TEXTS[:1])


def test_rare_labels_share_a_colour():
    labels = [str(n) for n in range(9)] + [str(n) for n in range(2, 8)]
    assert label_groups(labels) == [*"234567", "(others)"]
    assert label_groups(["b", "a", "b"]) == ["a", "b"]
