import pytest
import tensorflow as tf

from tfvae.latents import Latent
from tfvae.latents.latent import float32


@pytest.mark.parametrize("method", ["call", "distribution", "point"])
def test_a_latent_must_implement_its_methods(method):
    with pytest.raises(NotImplementedError, match=f"must implement `{method}`"):
        getattr(Latent(2), method)(None)


def test_float32_casts_every_entry():
    found = float32({"loc": tf.zeros([1], tf.bfloat16), "scale": tf.zeros([1])})
    assert {value.dtype for value in found.values()} == {tf.float32}
