"""What every decoder offers."""

import tensorflow as tf

from tfvae.decoders.scoring import sentence_log_probs
from tfvae.layers.part import Part


class Decoder(Part):
    """Scores and writes sentences given a memory.

    A subclass creates its weights in `build(memory_dim)` and implements the methods
    below. `embedding` may be replaced before `build` by an encoder's, to share it.

    Attributes:
        vocabulary_size: Int `V`.
        embedding_dim: Int, width of the word vectors.
        embedding: Layer that maps word ids to vectors.
        output_layer: Dense layer from what `hidden` gives to the vocabulary.
    """

    vocabulary_size = None
    embedding_dim = None
    embedding = None
    output_layer = None

    def hidden(self, tokens, memory, seed=None, training=False):
        """Computes what `output_layer` reads, each step from the words before it.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without marks.
            memory: Float tensor `[S, B, U]`.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[T + 1, S * B, D]`, time-major, samples outermost.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `hidden`.")

    def log_prob(self, tokens, memory, seed=None, training=False):
        """Scores sentences; the arguments are those of `hidden`.

        Returns:
            Float32 tensor `[S, B]`: `log p(x|z)` in nats, summed over the words and
            `</s>`.
        """
        hidden = self.hidden(tokens, memory, seed, training)
        return sentence_log_probs(hidden, self.output_layer, tokens, memory.shape[0])

    def logits(self, tokens, memory):
        """Gives next-word logits, float32 `[S, B, T + 1, V]`, for inspection only."""
        logits = tf.cast(self.output_layer(self.hidden(tokens, memory)), tf.float32)
        shape = [tf.shape(logits)[0], memory.shape[0], -1, self.vocabulary_size]
        return tf.transpose(tf.reshape(logits, shape), [1, 2, 0, 3])

    def initial_state(self, memory):
        """Gives the state before the first word, a tuple of tensors `[N, ...]`.

        Args:
            memory: Float tensor `[N, U]`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `initial_state`."
        )

    def step(self, token_ids, memory, state):
        """Advances by one word.

        Args:
            token_ids: Int tensor `[N]`, the last word of each row, `<s>` at first.
            memory: Float tensor `[N, U]`.
            state: Tuple of tensors from `initial_state` or the last `step`.

        Returns:
            Tuple of logits, float32 `[N, V]`, and the next state.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `step`.")
