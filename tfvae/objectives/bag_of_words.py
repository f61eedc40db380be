"""Predicting a sentence's words from its latent, whatever their order."""

import keras
import tensorflow as tf

from tfvae.kernels.sequences import PAD_ID
from tfvae.layers.dense import dense
from tfvae.objectives.term import Term


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

    def __init__(self, weight=1.0, hidden_dim=400, *, name="bag_of_words", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)
        self.hidden_dim = hidden_dim

    def check(self, model):
        """Refuses a model without a latent."""
        super().check(model)
        if model.posterior is None:
            raise ValueError(
                "`BagOfWords` predicts words from a latent. Use it in a `VAE`. "
                "Received: a model without a posterior"
            )

    def build(self, shapes):
        """Creates the network."""
        self.hidden = dense(
            self.hidden_dim, shapes["z"], activation="tanh", name="hidden"
        )
        self.output_layer = dense(shapes["vocabulary"], self.hidden_dim, name="output")
        super().build(shapes)

    def cost(self, forward):
        """Computes the cost `[B]` in nats a sentence."""
        tokens = forward.inputs["tokens"]
        logits = self.output_layer(self.hidden(forward.z))
        log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        num_samples = tf.shape(log_probs)[0]
        index = tf.repeat(tokens[None], num_samples, axis=0)
        chosen = tf.gather(log_probs, index, batch_dims=2)
        is_word = tf.cast(tf.not_equal(tokens, PAD_ID), tf.float32)
        return -tf.reduce_mean(tf.reduce_sum(chosen * is_word, -1), axis=0)
