"""Encoders: the base class, a recurrence read at the true length, noise on codes."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.layers import RNN, dropout, make_embedding, require_rate
from tfvae.layers.component import Component
from tfvae.ops.sequences import (
    add_special_tokens,
    lengths,
    max_over_tokens,
    mean_over_tokens,
    reverse,
    state_at,
)
from tfvae.seeds import fold_in, normal

_POOLING = {None: state_at, "mean": mean_over_tokens, "max": max_over_tokens}
# Apart from the numbers that encoders fold into the seed for their dropouts.
_NOISE = 100


class Encoder(Component):
    """Maps word ids to one code per sentence.

    A subclass sets `code_dim` in its constructor, creates its weights in `build()`,
    which takes no widths, and implements `call`.

    Attributes:
        code_dim: Int, the width `C` of the code.
        vocabulary_size: Int `V`.
        embedding_dim: Int, width of the embeddings.
        embedding: Layer that maps word ids to vectors; a decoder may share it.
    """

    code_dim = None
    vocabulary_size = None
    embedding_dim = None
    embedding = None

    def call(self, tokens, seed=None, training=False):
        """Encodes a batch.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without `<s>` and `</s>`.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[B, C]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")


@keras.saving.register_keras_serializable("tfvae")
class RecurrentEncoder(Encoder):
    """Encodes a sentence as the last state, or all states, of a GRU or LSTM.

    The code is the state after the last true word, `[h]`; with both directions
    `[forward h, backward h]`; with `use_cell` the LSTM's memory cell is appended to
    each, `[h, c]`, as in the Copula-VAE's released code. With `pooling` each of these
    is the mean or the largest value of each component over all true words (and
    `<s>` and `</s>`, where they are read), so that early words are as near to the code
    as the last one.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the embeddings.
        hidden_dim: Positive int, width of the state in each direction.
        cell: `"lstm"`, `"layer_norm_lstm"` or `"gru"`, see `RNN`. Defaults to
            `"lstm"`.
        bidirectional: Whether a second recurrence reads backwards. Defaults to
            `False`.
        use_cell: Whether the code includes an LSTM's memory cell. Defaults to `False`.
        dropout: Float in `[0, 1)`, on embeddings, in training. Defaults to `0.0`.
        add_bos: Whether the encoder reads `<s>` before the words. Defaults to `True`.
        add_eos: Whether it reads `</s>` after them. Defaults to `True`. Without either,
            an empty sentence has the code zero.
        initializer: Keras initializer of the recurrence, or `None` for PyTorch's.
        embedding_initializer: Keras initializer of the embeddings, or `None` for a
            standard normal, PyTorch's (Keras: uniform in +-0.05).
        pooling: `None` for the last state, `"mean"` or `"max"`. Defaults to `None`.

    Raises:
        ValueError: If `cell` or `pooling` is unknown, if `use_cell` meets a GRU, or if
            `dropout` is outside `[0, 1)`.

    References:
        Long et al. 2019, Preventing Posterior Collapse in Sequence VAEs with Pooling,
        for `pooling`, which is to keep the codes of different sentences apart.
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
        add_bos=True,
        add_eos=True,
        initializer=None,
        embedding_initializer=None,
        pooling=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        require("pooling", repr(pooling), pooling in _POOLING, "None, 'mean' or 'max'")
        if use_cell and cell == "gru":
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
        self.add_bos = add_bos
        self.add_eos = add_eos
        self.initializer = keras.initializers.get(initializer)
        self.embedding_initializer = keras.initializers.get(embedding_initializer)
        self.pooling = pooling
        self.code_dim = hidden_dim * (1 + bidirectional) * (1 + use_cell)
        self.embedding = make_embedding(
            vocabulary_size, embedding_dim, self.embedding_initializer
        )
        directions = ("forward", "backward") if bidirectional else ("forward",)
        self.recurrences = [
            RNN(hidden_dim, cell, self.initializer, name=direction)
            for direction in directions
        ]

    def build(self):
        """Creates the weights."""
        if not self.embedding.built:
            self.embedding.build()
        for recurrence in self.recurrences:
            recurrence.build(input_dim=self.embedding_dim)
        self.built = True

    def call(self, tokens, seed=None, training=False):
        """Encodes word ids `[B, T]` into codes `[B, C]`."""
        tokens = add_special_tokens(tokens, bos=self.add_bos, eos=self.add_eos)
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
            states += [_POOLING[self.pooling](output, num_words) for output in kept]
        return tf.concat(states, -1)


@keras.saving.register_keras_serializable("tfvae")
class CodeNoise(Encoder):
    """An encoder whose codes are of norm 1 and, in training, noisy.

    Computes `code / norm(code) + stddev * decay ** floor(n / every) * e` with standard
    normal `e` and the number `n` of training passes so far, which is saved; outside of
    training there is no noise. A deterministic autoencoder that must write the sentence
    from noisy codes puts similar sentences near to each other.

    Args:
        encoder: `Encoder`.
        stddev: Non-negative float, of the noise at first, in each component. Defaults
            to `0.1`.
        decay: Float in `(0, 1]`. Defaults to `0.9995`.
        every: Positive int, training passes between decays. Defaults to `100`.
        normalize: Whether codes are scaled to norm 1. Defaults to `True`.

    Raises:
        ValueError: If a number is out of range.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, section 3, and the
        released code for the numbers, which that of Fang et al. 2019 shares. There the
        classifier and the critic see codes without the noise, here all terms see what
        the decoder does.
    """

    def __init__(
        self,
        encoder,
        stddev=0.1,
        decay=0.9995,
        every=100,
        normalize=True,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if stddev < 0.0 or not 0.0 < decay <= 1.0 or every < 1:
            raise ValueError(
                "`stddev` must not be negative, `decay` in (0, 1] and `every` "
                "positive. Received: "
                f"stddev={stddev}, decay={decay}, every={every}"
            )
        self.encoder = encoder
        self.stddev = stddev
        self.decay = decay
        self.every = every
        self.normalize = normalize
        self.code_dim = encoder.code_dim
        self.vocabulary_size = encoder.vocabulary_size
        self.embedding_dim = encoder.embedding_dim

    @property
    def embedding(self):
        """The embeddings of the encoder within."""
        return self.encoder.embedding

    @embedding.setter
    def embedding(self, value):
        """Lets the encoder within share embeddings."""
        self.encoder.embedding = value

    def build(self):
        """Creates the encoder's weights and the counter of training passes."""
        if not self.encoder.built:
            self.encoder.build()
        self.num_passes = self.add_weight(
            name="num_passes",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def call(self, tokens, seed=None, training=False):
        """Encodes word ids `[B, T]` into codes `[B, C]`."""
        code = self.encoder(tokens, seed=seed, training=training)
        if self.normalize:
            code = tf.math.l2_normalize(code, axis=-1)
        if not training or not self.stddev:
            return code
        num_decays = tf.cast(self.num_passes.value // self.every, tf.float32)
        stddev = self.stddev * tf.pow(self.decay, num_decays)
        self.num_passes.assign_add(1)
        noise = stddev * normal(tf.shape(code), fold_in(seed, _NOISE))
        return code + tf.cast(noise, code.dtype)
