"""Mixtures of Gaussians whose samples pass a gradient to the mixing weights."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import parameter_properties, samplers

from tfvae.seeds import fold_in, normal, uniform

tfd = tfp.distributions


class GaussianMixture(tfd.MixtureSameFamily):
    """A mixture of diagonal Gaussians, sampled by straight-through Gumbel-softmax.

    Samples are exact: a component is chosen by the largest of `logits` plus Gumbel
    noise, then a point of it. Their gradient by the logits is that of the relaxed
    choice `softmax((logits + noise) / temperature)` in its place, which is biased; by
    means and scales it is exact. TFP's own reparameterisation inverts distribution
    functions one dimension after the other, and its samples differ with XLA.

    Args:
        logits: Float tensor `[B, K]`, the mixing weights' logarithms up to a constant.
        loc: Float tensor `[B, K, Z]`.
        scale: Positive float tensor `[B, K, Z]`.
        temperature: Positive float, of the relaxation.

    Example:
    >>> prior = GaussianMixture([[0.0, 0.0]], [[[-1.0], [1.0]]], [[[1.0], [1.0]]], 0.1)
    >>> prior.log_prob([[0.0]]).numpy().round(4)
    array([-1.4189], dtype=float32)

    References:
        Jang et al. 2017, Categorical Reparameterization with Gumbel-Softmax, section
        2.2; as in Gu et al. 2019, DialogWAE, equation 9.
    """

    def __init__(self, logits, loc, scale, temperature, name="GaussianMixture"):
        parameters = dict(locals())
        self.logits = tf.convert_to_tensor(logits, tf.float32)
        self.loc = tf.convert_to_tensor(loc, tf.float32)
        self.scale = tf.convert_to_tensor(scale, tf.float32)
        self.temperature = temperature
        super().__init__(
            tfd.Categorical(logits=self.logits),
            tfd.Independent(tfd.Normal(self.loc, self.scale), 1),
            name=name,
        )
        self._parameters = parameters
        self._reparameterization_type = tfd.FULLY_REPARAMETERIZED

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        axes = {"logits": 1, "loc": 2, "scale": 2, "temperature": None}
        return {
            name: parameter_properties.ParameterProperties(event_ndims=num)
            for name, num in axes.items()
        }

    def _sample_n(self, n, seed=None):
        seed = samplers.sanitize_seed(seed)
        shape = tf.concat([[n], tf.shape(self.logits)], 0)
        gumbel = -tf.math.log(-tf.math.log(uniform(shape, fold_in(seed, 0))))
        chosen = straight_through(self.logits + gumbel, self.temperature)[..., None]
        shape = tf.concat([[n], tf.shape(self.loc)[:1], tf.shape(self.loc)[2:]], 0)
        noise = normal(shape, fold_in(seed, 1))
        loc = tf.reduce_sum(chosen * self.loc, -2)
        return loc + tf.reduce_sum(chosen * self.scale, -2) * noise


def straight_through(scores, temperature):
    """Marks the largest of some scores, with the gradient of a softmax.

    Args:
        scores: Float tensor `[..., K]`.
        temperature: Positive float; scores are divided by it before the softmax.

    Returns:
        Float tensor `[..., K]`, 1 at the largest and 0 elsewhere.

    Example:
    >>> straight_through(tf.constant([1.0, 3.0, 2.0]), 0.1).numpy()
    array([0., 1., 0.], dtype=float32)
    """
    soft = tf.nn.softmax(scores / temperature, -1)
    hard = tf.one_hot(tf.argmax(scores, -1), scores.shape[-1], dtype=soft.dtype)
    # In this order the sum is 1 or 0 without an error of rounding.
    return hard + (soft - tf.stop_gradient(soft))
