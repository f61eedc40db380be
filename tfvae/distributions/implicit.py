"""A distribution that is known by its draws alone."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import samplers

tfd = tfp.distributions


class ImplicitDistribution(tfd.Distribution):
    """The distribution of a function of the parameters and noise.

    It can be sampled, differentiably where the function is; every request for a
    density raises `NotImplementedError`.

    Args:
        sampler: Function of an int `S` and a seed, int `[2]`, to float32 `[S, B, Z]`.
        batch_size: Int or int scalar tensor `B`.
        event_dim: Int `Z`.
    """

    def __init__(self, sampler, batch_size, event_dim, name="ImplicitDistribution"):
        parameters = dict(locals())
        self.sampler = sampler
        self.batch_size = batch_size
        self.event_dim = event_dim
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _batch_shape(self):
        return tf.TensorShape([tf.get_static_value(self.batch_size)])

    def _batch_shape_tensor(self):
        return tf.convert_to_tensor([self.batch_size], tf.int32)

    def _event_shape(self):
        return tf.TensorShape([self.event_dim])

    def _event_shape_tensor(self):
        return tf.constant([self.event_dim], tf.int32)

    def _sample_n(self, n, seed=None):
        return self.sampler(n, samplers.sanitize_seed(seed))
