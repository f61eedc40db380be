"""What every decoder offers, and the bridge from latents to its memory."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.layers import dropout, make_embedding, require_rate, word_dropout
from tfvae.layers.component import Component
from tfvae.layers.dense import dense, require_hidden_dims
from tfvae.ops.sequences import append_eos, lengths, prepend_bos
from tfvae.ops.vocabulary_softmax import token_log_probs
from tfvae.seeds import fold_in

# Rows of logits at once when a batch is scored under several samples.
_CHUNK_SIZE = 4096


class Decoder(Component):
    """Scores sentences and writes them word by word, given a memory.

    This base class owns both ends: embeddings, word dropout and input dropout at the
    beginning; output dropout, an optional projection and the vocabulary's layer at
    the end. A subclass is what lies between:

    - its constructor passes the arguments below on and sets `hidden_dim`;
    - `build(memory_dim=)` creates its own weights and calls
      `super().build(memory_dim=memory_dim)` last;
    - `hidden` runs over whole sentences, `initial_state` and `step` word by word.

    A decoder whose memory also feeds the vocabulary's layer overrides `readout` and
    `readout_dim`. `embedding` may be replaced before `build` by an encoder's, to
    share it; `projection` and `output_layer` by another decoder's.

    Each dropout folds its own number into the seed: word dropout 0, input dropout 1,
    output dropout 2. Those of a subclass go on from 3.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the embeddings.
        input_dropout: Float in `[0, 1)`, on embeddings, a fresh mask each step.
        output_dropout: Float in `[0, 1)`, on hidden states before the vocabulary.
        word_dropout: Float in `[0, 1]`, the share of input words replaced by
            `<unk>` in training.
        projection_dim: Width of a tanh layer between hidden states and vocabulary,
            or `None` for none.
        initializer: Keras initializer of all weights but the embeddings, or `None`
            for PyTorch's.
        embedding_initializer: Keras initializer of the embeddings, or `None` for a
            standard normal, PyTorch's.

    Attributes:
        hidden_dim: Int `H`, the width of hidden states.
        embedding: Layer that maps word ids to vectors.
        output_layer: Dense layer from `readout` to the vocabulary.

    Raises:
        ValueError: If a rate is out of range.
    """

    hidden_dim = None
    projection = output_layer = None

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        *,
        input_dropout=0.0,
        output_dropout=0.0,
        word_dropout=0.0,
        projection_dim=None,
        initializer=None,
        embedding_initializer=None,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        require_rate("input_dropout", input_dropout)
        require_rate("output_dropout", output_dropout)
        require("word_dropout", word_dropout, 0.0 <= word_dropout <= 1.0, "in [0, 1]")
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.input_dropout = input_dropout
        self.output_dropout = output_dropout
        self.word_dropout = word_dropout
        self.projection_dim = projection_dim
        self.initializer = keras.initializers.get(initializer)
        self.embedding_initializer = keras.initializers.get(embedding_initializer)
        self.embedding = make_embedding(
            vocabulary_size, embedding_dim, self.embedding_initializer
        )

    def build(self, *, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, 0 without one."""
        if not self.embedding.built:
            self.embedding.build()
        if self.output_layer is None:
            self._build_output(memory_dim)
        self.built = True

    def _build_output(self, memory_dim):
        if self.projection_dim is not None:
            self.projection = dense(
                self.projection_dim,
                self.hidden_dim,
                activation="tanh",
                initializer=self.initializer,
                name="projection",
            )
        self.output_layer = dense(
            self.vocabulary_size,
            self.readout_dim(memory_dim),
            initializer=self.initializer,
            name="output",
        )

    def check_model(self, model):
        """Refuses a model whose memory this decoder cannot read; most read any.

        Args:
            model: `VAE` or `LanguageModel` under construction.

        Raises:
            ValueError: If it does not fit.
        """

    def input_ids(self, tokens, seed=None, training=False):
        """Prepares the decoder's inputs: `<s>` in front, word dropout in training.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without `<s>` and `</s>`.
            seed: Int tensor `[2]`, needed in training only.
            training: Whether word dropout acts. Defaults to `False`.

        Returns:
            Int tensor `[T + 1, B]`, time-major.
        """
        inputs = prepend_bos(tokens)
        if training and self.word_dropout:
            inputs = word_dropout(inputs, self.word_dropout, fold_in(seed, 0))
        return tf.transpose(inputs)

    def embed(self, token_ids, seed=None, training=False):
        """Maps word ids `[...]` to vectors `[..., E]`, with dropout in training."""
        vectors = tf.gather(self.embedding.embeddings.value, token_ids)
        if training:
            vectors = dropout(vectors, self.input_dropout, fold_in(seed, 1))
        return vectors

    def hidden(self, tokens, memory, seed=None, training=False):
        """Computes the hidden state before each word, from the words before it.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without `<s>` and `</s>`.
            memory: Float tensor `[S, B, U]`, `S` known.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[T + 1, S * B, H]`, time-major, samples outermost.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `hidden`.")

    def initial_state(self, memory, max_length):
        """Returns the state before the first word.

        Args:
            memory: Float tensor `[N, U]`.
            max_length: Positive int, the most steps that may follow, so that a cache
                can have a fixed size.

        Returns:
            Nest of tensors, each `[N, ...]` or a scalar. From step to step, all but
            the number of rows keeps its static shape.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `initial_state`."
        )

    def step(self, token_ids, memory, state):
        """Advances by one word.

        Args:
            token_ids: Int tensor `[N]`, the last word of each row, `<s>` at first.
            memory: Float tensor `[N, U]`.
            state: The state from `initial_state` or the last `step`.

        Returns:
            Tuple of the hidden state before the next word, float `[N, H]`, and the
            next state.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `step`.")

    def readout(self, hidden, memory, seed=None, training=False):
        """Computes the inputs of the vocabulary's layer from hidden states.

        Args:
            hidden: Float tensor `[..., N, H]`.
            memory: Float tensor `[N, U]`; not used here.
            seed: Int tensor `[2]`, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[..., N, D]`, `D` being `readout_dim(U)`.
        """
        if training:
            hidden = dropout(hidden, self.output_dropout, fold_in(seed, 2))
        return hidden if self.projection is None else self.projection(hidden)

    def readout_dim(self, memory_dim):
        """Returns the width of `readout` for a memory of width `memory_dim`."""
        return self.hidden_dim if self.projection_dim is None else self.projection_dim

    def log_prob(self, tokens, memory, seed=None, training=False):
        """Scores sentences; the arguments are those of `hidden`.

        Returns:
            Float32 tensor `[S, B]`: `log p(x|z)` in nats, summed over the words and
            `</s>`.
        """
        values = self._readouts(tokens, memory, seed, training)
        return sentence_log_probs(values, self.output_layer, tokens, memory.shape[0])

    def logits(self, tokens, memory):
        """Returns next-word logits, float32 `[S, B, T + 1, V]`, for inspection only."""
        values = self._readouts(tokens, memory)
        logits = tf.cast(self.output_layer(values), tf.float32)
        shape = [tf.shape(logits)[0], memory.shape[0], -1, self.vocabulary_size]
        return tf.transpose(tf.reshape(logits, shape), [1, 2, 0, 3])

    def next_logits(self, token_ids, memory, state):
        """Returns logits of the next word, `[N, V]` float32, and the next state."""
        hidden, state = self.step(token_ids, memory, state)
        logits = self.output_layer(self.readout(hidden, memory))
        return tf.cast(logits, tf.float32), state

    def _readouts(self, tokens, memory, seed=None, training=False):
        """Computes the inputs of the vocabulary's layer, `[T + 1, S * B, D]`."""
        hidden = self.hidden(tokens, memory, seed, training)
        rows = tf.reshape(memory, [-1, memory.shape[-1]])
        return self.readout(hidden, rows, seed, training)


def repeat_samples(values, num_samples):
    """Repeats `[T, B, D]` to `[T, S * B, D]`, samples outermost."""
    return values if num_samples == 1 else tf.tile(values, [1, num_samples, 1])


def sentence_log_probs(values, output_layer, tokens, num_samples):
    """Sums the log-probabilities of each sentence's words and `</s>`.

    Args:
        values: Float tensor `[T + 1, S * B, D]`, time-major, samples outermost; the
            first step is to predict the first word.
        output_layer: Built dense layer from `D` to the vocabulary.
        tokens: Int tensor `[B, T]`, right-padded words without `<s>` and `</s>`.
        num_samples: Int `S`.

    Returns:
        Float32 tensor `[S, B]`, in nats.
    """
    targets = tf.transpose(append_eos(tokens))
    num_steps, batch_size = tf.unstack(tf.shape(targets))
    rows = tf.reshape(tf.tile(targets[:, None, :], [1, num_samples, 1]), [-1])
    scores = token_log_probs(
        tf.reshape(values, [-1, values.shape[-1]]),
        tf.cast(output_layer.kernel.value, values.dtype),
        output_layer.bias.value,
        rows,
        chunk_size=None if num_samples == 1 else _CHUNK_SIZE,
    )
    scores = tf.reshape(scores, [num_steps, num_samples, batch_size])
    counted = tf.range(num_steps)[:, None] <= lengths(tokens)[None, :]
    return tf.reduce_sum(tf.where(counted[:, None, :], scores, 0.0), axis=0)


@keras.saving.register_keras_serializable("tfvae")
class Bridge(Component):
    """Turns latent codes, and a context when there is one, into the decoder's memory.

    Without `hidden_dims` the memory is the latent itself (with the context appended).
    With them it is an MLP of the latent, ReLU between linear layers, plus an affine
    map of the context: Coupled-VAE's decoding signal.

    Args:
        hidden_dims: Tuple of positive ints, widths of the layers; the last one is
            that of the memory. Defaults to `()`.

    Attributes:
        memory_dim: Int `U`, known after `build`.

    Raises:
        ValueError: If a width is not positive.

    References:
        Wu et al. 2020, section 2.1 (the decoding signal, whose map from the code the
        paper leaves open); the released code uses `(200, 200)`.
    """

    def __init__(self, hidden_dims=(), *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        require_hidden_dims(hidden_dims)
        self.hidden_dims = tuple(hidden_dims)

    def build(self, *, latent_dim, context_dim=None, context_layer=None):
        """Creates the weights for latents `[..., Z]` and contexts `[..., K]`.

        The map of the context may be that of another bridge, `context_layer`.
        """
        self.hidden_layers = []
        width = latent_dim
        for index, units in enumerate(self.hidden_dims):
            last = index == len(self.hidden_dims) - 1
            activation = None if last else "relu"
            name = f"layer_{index}"
            layer = dense(units, width, activation=activation, name=name)
            self.hidden_layers.append(layer)
            width = units
        self.context_layer = None
        if context_dim is not None and self.hidden_dims:
            self.context_layer = context_layer
            if context_layer is None:
                self.context_layer = dense(width, context_dim, name="context")
        elif context_dim is not None:
            width += context_dim
        self.memory_dim = width
        self.built = True

    def call(self, z, context=None):
        """Maps latents `[S, B, Z]` and contexts `[B, K]` to memory `[S, B, U]`."""
        memory = tf.cast(z, self.compute_dtype)
        for layer in self.hidden_layers:
            memory = layer(memory)
        if context is None:
            return memory
        if self.context_layer is not None:
            return memory + self.context_layer(context)
        context = tf.broadcast_to(
            context, tf.concat([tf.shape(memory)[:-1], [context.shape[-1]]], 0)
        )
        return tf.concat([memory, context], -1)
