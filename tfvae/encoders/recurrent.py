"""A recurrent encoder: the last state at the true length."""

import keras
import tensorflow as tf

from tfvae.encoders.encoder import Encoder
from tfvae.kernels.sequences import add_marks, lengths, reverse, state_at
from tfvae.layers import Recurrence, dropout, require_rate, word_vectors
from tfvae.seeds import fold_in

_MARKS = ("none", "begin", "both")


@keras.saving.register_keras_serializable("tfvae")
class RecurrentEncoder(Encoder):
    """Reads a sentence by a GRU or LSTM and keeps the last state.

    The code is the state after the last true word, `[h]`; with both directions
    `[forward h, backward h]`; with `use_cell` the LSTM's memory cell is appended to
    each, `[h, c]`, as the Copula-VAE's released code does.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the word vectors.
        hidden_dim: Positive int, width of the state in each direction.
        cell: `"lstm"` or `"gru"`. Defaults to `"lstm"`.
        bidirectional: Whether a second recurrence reads backwards.
        use_cell: Whether the code includes an LSTM's memory cell.
        dropout: Float in `[0, 1)`, on word vectors, in training.
        marks: Which marks the encoder reads around the words: `"none"`, `"begin"`
            (`<s>` words) or `"both"` (`<s>` words `</s>`). Defaults to `"both"`.
        initializer: Keras initializer of the recurrence, or `None` for PyTorch's.
        embedding_initializer: Keras initializer of the word vectors, or `None` for a
            standard normal, PyTorch's (Keras: uniform in +-0.05).

    Raises:
        ValueError: If `marks` or `cell` is unknown, `use_cell` without an LSTM,
            or `dropout` outside `[0, 1)`.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        hidden_dim,
        cell="lstm",
        bidirectional=False,
        use_cell=False,
        dropout=0.0,
        marks="both",
        initializer=None,
        embedding_initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if marks not in _MARKS:
            raise ValueError(
                f"`marks` must be one of {_MARKS}. Received: marks={marks!r}"
            )
        if use_cell and cell != "lstm":
            raise ValueError(
                "`use_cell` needs `cell='lstm'`: a GRU has no memory cell. "
                f"Received: cell={cell!r}"
            )
        require_rate("dropout", dropout)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.cell = cell
        self.bidirectional = bidirectional
        self.use_cell = use_cell
        self.dropout = dropout
        self.marks = marks
        self.initializer = keras.initializers.get(initializer)
        self.embedding_initializer = keras.initializers.get(embedding_initializer)
        self.code_dim = hidden_dim * (1 + bidirectional) * (1 + use_cell)
        self.embedding = word_vectors(
            vocabulary_size, embedding_dim, self.embedding_initializer
        )
        directions = ("forward", "backward") if bidirectional else ("forward",)
        self.recurrences = [
            Recurrence(hidden_dim, cell, self.initializer, name=direction)
            for direction in directions
        ]

    def build(self, input_shape=None):
        """Creates the weights."""
        self.embedding.build()
        for recurrence in self.recurrences:
            recurrence.build((None, None, self.embedding_dim))
        self.built = True

    def call(self, tokens, seed=None, training=False):
        """Encodes word ids `[B, T]` into codes `[B, C]`."""
        tokens = add_marks(tokens, begin=self.marks != "none", end=self.marks == "both")
        num_words = lengths(tokens)
        states = []
        for index, recurrence in enumerate(self.recurrences):
            words = reverse(tokens, num_words) if index else tokens
            vectors = tf.gather(self.embedding.embeddings.value, tf.transpose(words))
            if training:
                vectors = dropout(vectors, self.dropout, fold_in(seed, index))
            outputs = recurrence.unroll(
                recurrence.project(vectors),
                recurrence.initial_state(tf.shape(tokens)[0]),
            )
            kept = outputs if self.use_cell else outputs[:1]
            states += [state_at(output, num_words) for output in kept]
        return tf.concat(states, -1)
