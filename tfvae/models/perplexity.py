"""Perplexity while training."""

import keras
import tensorflow as tf


class Perplexity(keras.metrics.Metric):
    """Corpus perplexity: `exp(total nats / total tokens)`, `</s>` counted."""

    def __init__(self, name="perplexity"):
        super().__init__(name=name)
        self.nats = self.add_variable((), "zeros", name="nats")
        self.tokens = self.add_variable((), "zeros", name="tokens")

    def update_state(self, costs, num_tokens):
        """Adds costs `[B]` in nats a sentence and token counts `[B]`."""
        self.nats.assign_add(tf.reduce_sum(costs))
        self.tokens.assign_add(tf.reduce_sum(tf.cast(num_tokens, tf.float32)))

    def result(self):
        """Gives the perplexity so far."""
        return tf.exp(self.nats.value / tf.maximum(self.tokens.value, 1.0))
