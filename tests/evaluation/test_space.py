import numpy as np
import pytest

from tests.evaluation import linear_gaussian as toy
from tests.support import batch, dataset, make_decoder, make_vae
from tfvae.evaluation.measures import measure
from tfvae.evaluation.space import SPACE_FIGURES, space_figures
from tfvae.latents import Deterministic, SphericalUniform, VonMisesFisher
from tfvae.models import LanguageModel
from tfvae.objectives import Reconstruction


def test_scales_of_a_gaussian_are_its_own():
    model = toy.diagonal_vae()
    tokens = toy.random_tokens(40)
    result = space_figures(model, dataset(tokens, 8))
    scale = np.exp(0.5 * model.encode({"tokens": tokens})["log_variance"])
    assert result["posterior_scale"] == pytest.approx(scale.mean(), rel=1e-5)
    assert result["posterior_scale_below"] == pytest.approx((scale < 0.1).mean())
    assert result["num_space"] == 40
    assert set(result) == set(SPACE_FIGURES)


def test_points_far_from_the_prior_show():
    near = make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    far = make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    weights = [w + 3.0 for w in far.posterior.get_weights()]
    far.posterior.set_weights(weights)
    rows = dataset(batch())
    results = [space_figures(model, rows) for model in (near, far)]
    assert all(result["posterior_scale_below"] == 1.0 for result in results)
    assert results[1]["aggregated_mmd"] > results[0]["aggregated_mmd"] + 1.0


def test_a_sphere_has_no_moment_kl():
    model = make_vae(posterior=VonMisesFisher(3, 7.5), prior=SphericalUniform(3))
    result = measure(model, dataset(batch()), ["space"])
    assert "moment_kl" not in result
    assert 0.0 < result["posterior_scale"] < 1.0


def test_refusals():
    model = LanguageModel(make_decoder(inject=()))
    with pytest.raises(ValueError, match="needs a latent"):
        space_figures(model, dataset(batch()))
    with pytest.raises(ValueError, match="at least one batch"):
        space_figures(make_vae(), [])
