"""The uniform distribution over unit vectors."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import samplers

from tfvae.distributions.polar_angle import log_sphere_area
from tfvae.seeds import normal

tfd = tfp.distributions


def unit_vectors(shape, seed):
    """Draws unit vectors uniformly.

    Args:
        shape: Int tensor or list, the last entry the number of coordinates.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor of that shape, each last axis of norm 1.
    """
    return tf.math.l2_normalize(normal(shape, seed), -1)


class SphericalUniform(tfd.SphericalUniform):
    """TFP's distribution of that name, for batches whose size data decides.

    TFP's needs static shapes, and draws other numbers with XLA than without.

    Args:
        dimension: Int of at least 2, the number of coordinates.
        batch_shape: Int tensor or list.

    Example:
    >>> sphere = SphericalUniform(3, [1])
    >>> sphere.log_prob([[0.0, 0.0, 1.0]]).numpy().round(4)
    array([-2.531], dtype=float32)
    """

    def _log_prob(self, x):
        shape = tf.broadcast_dynamic_shape(
            tf.shape(x)[:-1], tf.cast(self.batch_shape_tensor(), tf.int32)
        )
        return tf.fill(shape, tf.constant(-log_sphere_area(self.dimension), x.dtype))

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), [self.dimension]], 0)
        return unit_vectors(shape, samplers.sanitize_seed(seed))
