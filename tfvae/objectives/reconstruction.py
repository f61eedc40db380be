"""The costs of writing the sentence back, in order or as a bag of words."""

import keras
import tensorflow as tf

from tfvae.layers.dense import dense
from tfvae.objectives.term import Term
from tfvae.ops.sequences import PAD_ID


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
        """Computes the cost `[B]` in nats per sentence."""
        return -tf.reduce_mean(forward.log_likelihood, axis=0)


@keras.saving.register_keras_serializable("tfvae")
class BagOfWords(Term):
    """The bag-of-words loss on the latent.

    Computes `-sum over words of log softmax(network(z))[word]`, the mean over
    samples; `</s>` is not a word here. The network has one tanh layer.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        hidden_dim: Positive int, width of the tanh layer. Defaults to `400`.

    References:
        Zhao et al. 2017, Learning Discourse-level Diversity for Neural Dialog
        Models, equation 6; width 400 and weight 1 from its released code.
    """

    requires_latent = True

    def __init__(self, weight=1.0, hidden_dim=400, *, name="bag_of_words", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)
        self.hidden_dim = hidden_dim

    def build(self, *, latent_dim, vocabulary_size, **widths):
        """Creates the network."""
        self.hidden = dense(
            self.hidden_dim, latent_dim, activation="tanh", name="hidden"
        )
        self.output_layer = dense(vocabulary_size, self.hidden_dim, name="output")
        super().build()

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        tokens = forward.inputs["tokens"]
        logits = self.output_layer(self.hidden(forward.z))
        log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        num_samples = tf.shape(log_probs)[0]
        index = tf.repeat(tokens[None], num_samples, axis=0)
        chosen = tf.gather(log_probs, index, batch_dims=2)
        is_word = tf.cast(tf.not_equal(tokens, PAD_ID), tf.float32)
        return -tf.reduce_mean(tf.reduce_sum(chosen * is_word, -1), axis=0)
