"""A recurrent decoder."""

import keras
import tensorflow as tf

from tfvae.decoders.decoder import Decoder, repeat_samples
from tfvae.layers import RNN, dropout, require_rate
from tfvae.layers.dense import dense
from tfvae.ops.sequences import BOS_ID
from tfvae.seeds import fold_in

_CONDITIONING = ("state", "cell", "inputs", "bos", "output")


@keras.saving.register_keras_serializable("tfvae")
class RecurrentDecoder(Decoder):
    """Writes a sentence word by word with a GRU or LSTM that is fed a memory.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the embeddings.
        hidden_dim: Positive int, width of the state.
        cell: `"lstm"`, `"layer_norm_lstm"` or `"gru"`, see `RNN`. Defaults to
            `"lstm"`.
        conditioning: Tuple of the ways by which the memory enters, any of: `"state"`,
            an affine map of it is the initial state; `"cell"`, another is the LSTM's
            initial memory cell; `"inputs"`, it is appended to every input; `"bos"`, it
            takes the place of `<s>` (its width must be `embedding_dim`); `"output"`,
            it is appended to what the vocabulary layer reads, past recurrence,
            projection and `output_dropout`, a skip connection. An empty tuple makes a
            language model. Defaults to `("state", "inputs")`.
        state_activation: Activation of the initial state, or `None` for linear.
        input_dropout: Float in `[0, 1)`, on embeddings, a fresh mask each step.
        memory_dropout: Float in `[0, 1)`, on the memory that is appended to inputs, a
            fresh mask each step. Costs a product per step; without it the memory is
            projected once per sentence.
        output_dropout: Float in `[0, 1)`, on states before the vocabulary.
        word_dropout: Float in `[0, 1]`, the share of input words replaced by
            `<unk>` in training (Bowman et al. 2016; at 1 the decoder reads none),
            unlike `input_dropout`, which zeroes single components of embeddings.
        projection_dim: Width of a tanh layer between state and vocabulary, or `None`
            for none.
        initializer: Keras initializer of recurrence, maps and output, or `None` for
            PyTorch's.
        embedding_initializer: Keras initializer of the embeddings, or `None` for a
            standard normal, PyTorch's.

    Raises:
        ValueError: If an entry of `conditioning` is unknown, if `"cell"` meets a GRU,
            if a rate is out of range, or at `build` if `"bos"` meets a memory of
            another width.

    References:
        Dieng et al. 2019, Avoiding Latent Variable Collapse with Generative Skip
        Models, for `"output"`: there the latent joins every layer, of which this
        decoder has the recurrence, by `"inputs"`, and the vocabulary's.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        hidden_dim,
        cell="lstm",
        conditioning=("state", "inputs"),
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
        super().__init__(
            vocabulary_size,
            embedding_dim,
            input_dropout=input_dropout,
            output_dropout=output_dropout,
            word_dropout=word_dropout,
            projection_dim=projection_dim,
            initializer=initializer,
            embedding_initializer=embedding_initializer,
            name=name,
            dtype=dtype,
        )
        conditioning = tuple(conditioning)
        if set(conditioning) - set(_CONDITIONING):
            raise ValueError(
                f"`conditioning` may hold {_CONDITIONING}. "
                f"Received: conditioning={conditioning}"
            )
        require_rate("memory_dropout", memory_dropout)
        if memory_dropout and "inputs" not in conditioning:
            raise ValueError(
                "`memory_dropout` acts on the memory that is appended to inputs and "
                "needs 'inputs' in `conditioning`. Received: "
                f"memory_dropout={memory_dropout}, conditioning={conditioning}"
            )
        if "cell" in conditioning and cell == "gru":
            raise ValueError(
                "`conditioning` may hold 'cell' only with an LSTM. "
                f"Received: cell={cell!r}, conditioning={conditioning}"
            )
        self.hidden_dim = hidden_dim
        self.cell = cell
        self.conditioning = conditioning
        self.state_activation = state_activation
        self.memory_dropout = memory_dropout
        self.recurrence = RNN(hidden_dim, cell, self.initializer, name="recurrence")

    def build(self, *, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, 0 without one."""
        if "bos" in self.conditioning and memory_dim != self.embedding_dim:
            raise ValueError(
                "`conditioning='bos'` puts the memory in the place of a word, so both "
                "need one width: set the bridge's last width (`bridge_dims`) to "
                f"{self.embedding_dim}. Received: memory_dim={memory_dim}"
            )
        self.recurrence.build(input_dim=self.embedding_dim)
        gates = self.recurrence.kernel.shape[1]

        def map_memory(where, units, **options):
            if where not in self.conditioning:
                return None
            options["initializer"] = self.initializer
            return dense(units, memory_dim, name=f"memory_to_{where}", **options)

        activation = self.state_activation
        self.memory_to_state = map_memory(
            "state", self.hidden_dim, activation=activation
        )
        self.memory_to_cell = map_memory("cell", self.hidden_dim, activation=activation)
        self.memory_to_inputs = map_memory("inputs", gates, use_bias=False)
        super().build(memory_dim=memory_dim)

    def hidden(self, tokens, memory, seed=None, training=False):
        """Runs over sentences; see `Decoder.hidden`."""
        rows = tf.reshape(memory, [-1, memory.shape[-1]])
        projected = self._project(tokens, memory, rows, seed, training)
        return self.recurrence.unroll(projected, self.initial_state(rows))[0]

    def initial_state(self, memory, max_length=None):
        """Returns the recurrence's state; see `Decoder.initial_state`."""
        state = self.recurrence.initial_state(tf.shape(memory)[0])
        if self.memory_to_state is not None:
            state = (self.memory_to_state(memory), *state[1:])
        if self.memory_to_cell is not None:
            state = (state[0], self.memory_to_cell(memory))
        return state

    def step(self, token_ids, memory, state):
        """Advances by one word; see `Decoder.step`."""
        vectors = self.embed(token_ids)
        if "bos" in self.conditioning:
            first = tf.cast(memory, vectors.dtype)
            vectors = tf.where(tf.equal(token_ids, BOS_ID)[:, None], first, vectors)
        projected = self.recurrence.project(vectors)
        if self.memory_to_inputs is not None:
            projected += self.memory_to_inputs(memory)
        state = self.recurrence.advance(projected, state)
        return state[0], state

    def readout(self, hidden, memory, seed=None, training=False):
        """Computes the inputs of the vocabulary's layer; see `Decoder.readout`."""
        values = super().readout(hidden, memory, seed, training)
        if "output" not in self.conditioning:
            return values
        shape = tf.concat([tf.shape(values)[:-1], [memory.shape[-1]]], 0)
        skipped = tf.broadcast_to(tf.cast(memory, values.dtype), shape)
        return tf.concat([values, skipped], -1)

    def readout_dim(self, memory_dim):
        """Returns the width of `readout` for a memory of width `memory_dim`."""
        width = super().readout_dim(memory_dim)
        return width + memory_dim if "output" in self.conditioning else width

    def _project(self, tokens, memory, rows, seed, training):
        """Projects words, once for all samples, and memory onto the gates."""
        num_samples = memory.shape[0]
        inputs = self.input_ids(tokens, seed, training)
        if "bos" not in self.conditioning:
            vectors = self.embed(inputs, seed, training)
            projected = repeat_samples(self.recurrence.project(vectors), num_samples)
        else:
            first = rows[None]
            if training:
                first = dropout(first, self.input_dropout, fold_in(seed, 3))
            vectors = self.embed(inputs[1:], seed, training)
            projected = tf.concat(
                [
                    self.recurrence.project(first),
                    repeat_samples(self.recurrence.project(vectors), num_samples),
                ],
                0,
            )
        if self.memory_to_inputs is None:
            return projected
        if training and self.memory_dropout:
            rows = tf.repeat(rows[None], tf.shape(projected)[0], axis=0)
            rows = dropout(rows, self.memory_dropout, fold_in(seed, 4))
        return projected + self.memory_to_inputs(rows)
