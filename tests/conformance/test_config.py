"""A part made again from its configuration, with the same weights, does the same."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.parts import SAVED, over_parts


@pytest.mark.long
@over_parts(*SAVED)
def test_config_roundtrip(row):
    part = row.built()
    config = _config(part)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(part)
    assert again is not part
    assert _config(again) == config
    row.usage.build(again)
    if hasattr(part, "get_weights"):
        again.set_weights(part.get_weights())
    found, expected = row.run(again), row.run(part)
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def _config(part):
    return json.loads(json.dumps(keras.saving.serialize_keras_object(part)))
