"""The cost of writing the sentence back."""

import keras
import tensorflow as tf

from tfvae.objectives.term import Term


@keras.saving.register_keras_serializable("tfvae")
class Reconstruction(Term):
    """Negative log-likelihood of the sentence given its latent.

    Computes `-mean over samples of log p(x|z)`, a sum over words and `</s>` in nats:
    papers that average over the tokens of a sentence (WAE) state weights relative to
    that, which are to be multiplied by the mean length here.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
    """

    def __init__(self, weight=1.0, *, name="reconstruction", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)

    def cost(self, forward):
        """Computes the cost `[B]` in nats a sentence."""
        return -tf.reduce_mean(forward.log_likelihood, axis=0)
