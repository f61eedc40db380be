import json

import keras

from tfvae.layers import Recurrence
from tfvae.layers.part import Part


@keras.saving.register_keras_serializable("tfvae_tests")
class Pair(Part):
    """A part that holds a part, an initializer and plain values."""

    def __init__(self, inner, sizes=(1, 2), initializer=None, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.inner = inner
        self.sizes = tuple(sizes)
        self.initializer = keras.initializers.get(initializer)


def test_config_roundtrip_through_json():
    part = Pair(
        Recurrence(4, "gru", name="inner"),
        sizes=(3, 5),
        initializer=keras.initializers.RandomNormal(0.0, 0.5),
        name="pair",
        dtype="mixed_bfloat16",
    )
    config = json.loads(json.dumps(part.get_config()))
    again = Pair.from_config(config)
    assert (again.name, again.sizes) == ("pair", (3, 5))
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert isinstance(again.inner, Recurrence)
    assert (again.inner.hidden_dim, again.inner.cell) == (4, "gru")
    assert again.inner.name == "inner"
    assert again.initializer.stddev == 0.5


def test_config_names_the_constructor_arguments():
    config = Recurrence(4).get_config()
    assert set(config) == {"hidden_dim", "cell", "initializer", "name", "dtype"}


def test_a_part_asks_keras_for_no_build():
    assert Recurrence(4).get_build_config() is None
