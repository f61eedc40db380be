"""A recurrent decoder: the papers' LSTM and GRU language models with a latent."""

import keras
import tensorflow as tf

from tfvae.decoders.decoder import Decoder
from tfvae.kernels.sequences import BOS_ID, prepend_bos
from tfvae.layers import Recurrence, dropout, require_rate, word_vectors
from tfvae.layers.dense import dense
from tfvae.seeds import fold_in
from tfvae.text.noise import word_dropout

_INJECTIONS = ("state", "cell", "steps", "first")


@keras.saving.register_keras_serializable("tfvae")
class RecurrentDecoder(Decoder):
    """Writes a sentence word by word from a GRU or LSTM fed with a memory.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the word vectors.
        hidden_dim: Positive int, width of the state.
        cell: `"lstm"` or `"gru"`. Defaults to `"lstm"`.
        inject: Tuple that says how the memory enters, any of: `"state"`, an affine
            map of it is the initial state; `"cell"`, another is the LSTM's initial
            memory cell; `"steps"`, it is appended to every input; `"first"`, it takes
            the place of `<s>` (its width must be `embedding_dim`). An empty tuple
            makes a language model. Defaults to `("state", "steps")`.
        state_activation: Activation of the initial state, or `None` for linear.
        input_dropout: Float in `[0, 1)`, on word vectors, a fresh mask each step.
        memory_dropout: Float in `[0, 1)`, on the memory at each step, a fresh mask
            each step. Costs a product a step; the other injections are projected
            once a sentence.
        output_dropout: Float in `[0, 1)`, on states before the vocabulary.
        word_dropout: Float in `[0, 1]`, the share of input words replaced by
            `<unk>` in training (Bowman et al. 2016; at 1 the decoder reads none),
            unlike `input_dropout`, which zeroes single components of word vectors.
        projection_dim: Width of a tanh layer between state and vocabulary, or `None`
            for none.
        initializer: Keras initializer of recurrence, maps and output, or `None` for
            PyTorch's.
        embedding_initializer: Keras initializer of the word vectors, or `None` for a
            standard normal, PyTorch's.

    Raises:
        ValueError: If an entry of `inject` is unknown, if `"cell"` meets a GRU, if
            a rate is out of range, or at `build` if `"first"` meets a memory of
            another width.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        hidden_dim,
        cell="lstm",
        inject=("state", "steps"),
        state_activation=None,
        input_dropout=0.0,
        memory_dropout=0.0,
        output_dropout=0.0,
        word_dropout=0.0,
        projection_dim=None,
        initializer=None,
        embedding_initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        unknown = set(inject) - set(_INJECTIONS)
        if unknown:
            raise ValueError(
                f"`inject` may hold {_INJECTIONS}. Received: inject={tuple(inject)}"
            )
        if memory_dropout and "steps" not in inject:
            raise ValueError(
                "`memory_dropout` acts on the memory at each step and needs 'steps' in "
                f"`inject`. Received: memory_dropout={memory_dropout}, "
                f"inject={tuple(inject)}"
            )
        if "cell" in inject and cell != "lstm":
            raise ValueError(
                "`inject` may hold 'cell' only with `cell='lstm'`. "
                f"Received: cell={cell!r}, inject={tuple(inject)}"
            )
        require_rate("input_dropout", input_dropout)
        require_rate("memory_dropout", memory_dropout)
        require_rate("output_dropout", output_dropout)
        if not 0.0 <= word_dropout <= 1.0:
            raise ValueError(
                f"`word_dropout` must be in [0, 1]. Received: {word_dropout}"
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.cell = cell
        self.inject = tuple(inject)
        self.state_activation = state_activation
        self.input_dropout = input_dropout
        self.memory_dropout = memory_dropout
        self.output_dropout = output_dropout
        self.word_dropout = word_dropout
        self.projection_dim = projection_dim
        self.initializer = keras.initializers.get(initializer)
        self.embedding_initializer = keras.initializers.get(embedding_initializer)
        self.embedding = word_vectors(
            vocabulary_size, embedding_dim, self.embedding_initializer
        )
        self.recurrence = Recurrence(
            hidden_dim, cell, self.initializer, name="recurrence"
        )

    def build(self, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, 0 without one."""
        if "first" in self.inject and memory_dim != self.embedding_dim:
            raise ValueError(
                "`inject='first'` puts the memory in the place of a word, so both "
                "need one width: set the bridge's last width to "
                f"{self.embedding_dim}. Received: memory_dim={memory_dim}"
            )
        if not self.embedding.built:
            self.embedding.build()
        self.recurrence.build((None, None, self.embedding_dim))
        gates = self.recurrence.bias.shape[0]

        def maps_memory(where, units, activation=None, use_bias=True):
            if where not in self.inject:
                return None
            return dense(
                units,
                memory_dim,
                activation=activation,
                use_bias=use_bias,
                initializer=self.initializer,
                name=f"memory_to_{where}",
            )

        self.memory_to_state = maps_memory(
            "state", self.hidden_dim, self.state_activation
        )
        self.memory_to_cell = maps_memory(
            "cell", self.hidden_dim, self.state_activation
        )
        self.memory_to_steps = maps_memory("steps", gates, use_bias=False)
        self.projection = None
        width = self.hidden_dim
        if self.projection_dim is not None:
            self.projection = dense(
                self.projection_dim,
                width,
                activation="tanh",
                initializer=self.initializer,
                name="projection",
            )
            width = self.projection_dim
        self.output_layer = dense(
            self.vocabulary_size, width, initializer=self.initializer, name="output"
        )
        self.built = True

    def initial_state(self, memory):
        """Gives the state from a memory `[N, U]`; see `Decoder.initial_state`."""
        state = self.recurrence.initial_state(tf.shape(memory)[0])
        if self.memory_to_state is not None:
            state = (self.memory_to_state(memory), *state[1:])
        if self.memory_to_cell is not None:
            state = (state[0], self.memory_to_cell(memory))
        return state

    def step(self, token_ids, memory, state):
        """Advances by one word; see `Decoder.step`."""
        vectors = tf.gather(self.embedding.embeddings.value, token_ids)
        if "first" in self.inject:
            vectors = tf.where(tf.equal(token_ids, BOS_ID)[:, None], memory, vectors)
        projected = self.recurrence.project(vectors)
        if self.memory_to_steps is not None:
            projected += self.memory_to_steps(memory)
        states = self.recurrence.unroll(projected[None], state)
        state = tuple(values[0] for values in states)
        hidden = state[0]
        if self.projection is not None:
            hidden = self.projection(hidden)
        return tf.cast(self.output_layer(hidden), tf.float32), state

    def hidden(self, tokens, memory, seed=None, training=False):
        """Gives what the vocabulary layer reads, `[T + 1, S * B, H]`, time-major."""
        rows = tf.reshape(memory, [-1, memory.shape[-1]])
        projected = self._project(tokens, memory, rows, seed, training)
        hidden = self.recurrence.unroll(projected, self.initial_state(rows))[0]
        if training:
            hidden = dropout(hidden, self.output_dropout, fold_in(seed, 2))
        return hidden if self.projection is None else self.projection(hidden)

    def _project(self, tokens, memory, rows, seed, training):
        """Projects words, once for all samples, and memory onto the gates."""
        num_samples = memory.shape[0]
        inputs = prepend_bos(tokens)
        if training and self.word_dropout:
            inputs = word_dropout(inputs, self.word_dropout, fold_in(seed, 0))
        vectors = tf.gather(self.embedding.embeddings.value, tf.transpose(inputs))
        mask_seed = fold_in(seed, 1)
        if "first" not in self.inject:
            if training:
                vectors = dropout(vectors, self.input_dropout, mask_seed)
            projected = _repeat(self.recurrence.project(vectors), num_samples)
        else:
            first, vectors = rows[None], vectors[1:]
            if training:
                first = dropout(first, self.input_dropout, fold_in(seed, 3))
                vectors = dropout(vectors, self.input_dropout, mask_seed)
            projected = tf.concat(
                [
                    self.recurrence.project(first),
                    _repeat(self.recurrence.project(vectors), num_samples),
                ],
                0,
            )
        if self.memory_to_steps is None:
            return projected
        if training and self.memory_dropout:
            rows = tf.repeat(rows[None], tf.shape(projected)[0], axis=0)
            rows = dropout(rows, self.memory_dropout, fold_in(seed, 4))
        return projected + self.memory_to_steps(rows)


def _repeat(values, num_samples):
    """Repeats `[T, B, G]` to `[T, S * B, G]`, samples outermost."""
    return values if num_samples == 1 else tf.tile(values, [1, num_samples, 1])
