import numpy as np
import pytest

from tfvae.latents import Deterministic
from tfvae.seeds import as_seed


@pytest.fixture
def latent():
    part = Deterministic(3)
    part.build(code_dim=4)
    return part


def test_every_sample_is_the_affine_code(latent, rng):
    code = rng.normal(size=(5, 4)).astype("float32")
    kernel, bias = latent.head.get_weights()
    expected = code @ kernel + bias
    params = latent(code)
    z, log_q = latent.sample(params, 2, as_seed(0))
    assert log_q is None
    assert z.shape == (2, 5, 3)
    for values in (*z, latent.mode(params), latent.distribution(params).sample()):
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_has_no_density(latent):
    assert not latent.has_density
    assert latent.support == "real"
