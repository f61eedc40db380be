"""Gradients reach every trainable weight."""

import numpy as np
import tensorflow as tf

from tests.conformance.parts import over_parts


@over_parts("encoder", "latent", "bridge", "decoder", "term", "model")
def test_gradients_reach_every_weight(row):
    part = row.built()
    weights = part.trainable_variables
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(row.run(part))
        # Squares, because the outputs of a softmax add up to a constant.
        total = tf.add_n([tf.reduce_sum(tf.square(output)) for output in outputs])
    gradients = tape.gradient(total, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(values).all(), weight.path
        assert np.abs(values).max() > 0, weight.path
