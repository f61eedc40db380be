import json

import keras

from tfvae.layers import RNN
from tfvae.layers.component import Component


@keras.saving.register_keras_serializable("tfvae_tests")
class Pair(Component):
    """A part that holds a part, an initializer and plain values."""

    def __init__(self, inner, sizes=(1, 2), initializer=None, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.inner = inner
        self.sizes = tuple(sizes)
        self.initializer = keras.initializers.get(initializer)


def test_config_roundtrip_through_json():
    part = Pair(
        RNN(4, "gru", name="inner"),
        sizes=(3, 5),
        initializer=keras.initializers.RandomNormal(0.0, 0.5),
        name="pair",
        dtype="mixed_bfloat16",
    )
    config = json.loads(json.dumps(part.get_config()))
    again = Pair.from_config(config)
    assert (again.name, again.sizes) == ("pair", (3, 5))
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert isinstance(again.inner, RNN)
    assert (again.inner.hidden_dim, again.inner.cell) == (4, "gru")
    assert again.inner.name == "inner"
    assert again.initializer.stddev == 0.5


def test_config_names_the_constructor_arguments():
    config = RNN(4).get_config()
    assert set(config) == {"hidden_dim", "cell", "initializer", "name", "dtype"}


def test_a_part_asks_keras_for_no_build():
    assert RNN(4).get_build_config() is None
