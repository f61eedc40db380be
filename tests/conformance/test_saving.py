"""A part inside a model survives saving and loading of the model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.parts import SAVED, over_parts
from tests.support import assert_same_weights, reseed


@pytest.mark.long
@over_parts(*SAVED)
def test_saved_inside_a_model(row, tmp_path):
    model = row.usage.in_model(row.make())
    path = tmp_path / "model.keras"
    model.save(path)
    reseed(99)
    loaded = keras.models.load_model(path)
    part, again = row.usage.place(model), row.usage.place(loaded)
    assert type(again) is type(part)
    assert_same_weights(model, loaded)
    results = [_pass(each) for each in (model, loaded)]
    tf.nest.map_structure(np.testing.assert_array_equal, *results)


def _pass(model):
    inputs = {
        "tokens": tf.constant([[4, 5, 6], [7, 0, 0]]),
        "context": tf.constant([[8, 4], [5, 0]]),
        "label": tf.constant([1, 0]),
    }
    inputs = {key: inputs[key] for key in ("tokens", *model.requires)}
    forward = model.forward(inputs, seed=1, training=True)
    return model.loss_and_costs(forward, tf.constant(7, tf.int64))
