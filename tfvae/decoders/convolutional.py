"""A convolutional decoder: dilated, causal residual blocks."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.decoders.decoder import Decoder, repeat_samples
from tfvae.layers import dropout, require_rate
from tfvae.layers.dense import dense
from tfvae.ops.sequences import BOS_ID
from tfvae.seeds import fold_in

# PyTorch's; Keras has 1e-3.
_EPSILON = 1e-5
_SIZES = {
    "small": (1, 2, 4),
    "medium": (1, 2, 4, 8, 16),
    "large": (1, 2, 4, 8, 16, 1, 2, 4, 8, 16),
}


@keras.saving.register_keras_serializable("tfvae")
class ConvolutionalDecoder(Decoder):
    """Writes a sentence word by word from a memory and a bounded number of words.

    How many words it sees is a choice, and with it how much it needs the latent. The
    memory takes the place of `<s>` and is appended to every input; a memory of width 0
    makes a convolutional language model, which reads `<s>`.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the embeddings.
        num_filters: Positive int `F`, width of the blocks.
        size: Tuple of positive ints, the blocks' dilations, or `"small"`,
            `(1, 2, 4)`, `"medium"`, `(1, 2, 4, 8, 16)`, or `"large"`, the latter
            twice. Defaults to `"medium"`.
        kernel_size: Int, at least 2. Defaults to `3`.
        input_dropout: Float in `[0, 1)`, on embeddings, a fresh mask each step.
        memory_dropout: Float in `[0, 1)`, on the memory, a fresh mask each step.
            Costs a product per step; without it the memory is projected once per
            sentence.
        output_dropout: Float in `[0, 1)`, on the last block's output.
        word_dropout: Float in `[0, 1]`, the share of input words replaced by
            `<unk>` in training, see `RecurrentDecoder`.
        projection_dim: Width of a tanh layer between blocks and vocabulary, or `None`.
        initializer: Keras initializer of blocks, maps and output, or `None` for
            PyTorch's.
        embedding_initializer: Keras initializer of the embeddings, or `None` for a
            standard normal, PyTorch's.

    Attributes:
        dilations: Tuple of ints, one per block.
        receptive_field: Int, the number of inputs, the present one included, that a
            prediction depends on apart from the memory.

    Raises:
        ValueError: If a size or a rate is out of range.

    References:
        Yang et al. 2017, section 3.2; as in Wu et al. 2020, whose released code has
        three deviations from this decoder. It normalises over the batch, so that in
        training a word's score depends on later words and on padding; here each
        position is normalised by itself. It puts the memory one position before
        `<s>`, here in its place. It maps that memory as it does embeddings; here it
        has a map of its own, so that it may have any width.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        num_filters,
        size="medium",
        kernel_size=3,
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
        _require_sizes(size, num_filters, kernel_size)
        require_rate("memory_dropout", memory_dropout)
        self.num_filters = self.hidden_dim = num_filters
        self.size = size if isinstance(size, str) else tuple(size)
        self.dilations = _SIZES.get(self.size, self.size)
        self.kernel_size = kernel_size
        self.memory_dropout = memory_dropout

    @property
    def receptive_field(self):
        """The number of inputs that a prediction depends on."""
        return 1 + (self.kernel_size - 1) * sum(self.dilations)

    def build(self, *, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, 0 without one."""

        def layer(width, name, **options):
            options["initializer"] = self.initializer
            return dense(self.num_filters, width, name=name, **options)

        self.word_layer = layer(self.embedding_dim, "words")
        self.memory_to_bos = self.memory_to_inputs = None
        if memory_dim > 0:
            self.memory_to_bos = layer(memory_dim, "memory_to_bos")
            self.memory_to_inputs = layer(
                memory_dim, "memory_to_inputs", use_bias=False
            )
        self.blocks = [
            CausalBlock(
                self.num_filters,
                self.kernel_size,
                dilation,
                initializer=self.initializer,
                name=f"block_{index}",
            )
            for index, dilation in enumerate(self.dilations)
        ]
        super().build(memory_dim=memory_dim)

    def hidden(self, tokens, memory, seed=None, training=False):
        """Runs over sentences; see `Decoder.hidden`."""
        hidden = self._project(tokens, memory, seed, training)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def initial_state(self, memory, max_length=None):
        """Returns each block's empty window; see `Decoder.initial_state`."""
        num_rows = tf.shape(memory)[0]
        return tuple(block.initial_state(num_rows) for block in self.blocks)

    def step(self, token_ids, memory, state):
        """Advances by one word; see `Decoder.step`."""
        hidden = self.word_layer(self.embed(token_ids))
        if self.memory_to_bos is not None:
            at_start = tf.equal(token_ids, BOS_ID)[:, None]
            hidden = tf.where(at_start, self.memory_to_bos(memory), hidden)
            hidden += self.memory_to_inputs(memory)
        windows = []
        for block, window in zip(self.blocks, state, strict=True):
            hidden, window = block.step(hidden, window)
            windows.append(window)
        return hidden, tuple(windows)

    def _project(self, tokens, memory, seed, training):
        """Projects words, once for all samples, and memory, `[T + 1, S * B, F]`."""
        num_samples, _, memory_dim = memory.shape
        vectors = self.embed(self.input_ids(tokens, seed, training), seed, training)
        projected = repeat_samples(self.word_layer(vectors), num_samples)
        if self.memory_to_bos is None:
            return projected
        rows = tf.reshape(memory, [1, -1, memory_dim])
        if training and self.memory_dropout:
            rows = tf.repeat(rows, tf.shape(projected)[0], axis=0)
            rows = dropout(rows, self.memory_dropout, fold_in(seed, 3))
        first = self.memory_to_bos(rows[:1])
        projected = tf.concat([first, projected[1:]], 0)
        return projected + self.memory_to_inputs(rows)


def _require_sizes(size, num_filters, kernel_size):
    """Refuses sizes of which no network can be made."""
    known = size in _SIZES if isinstance(size, str) else min(size, default=0) > 0
    if not known:
        raise ValueError(
            f"`size` must be one of {sorted(_SIZES)} or a tuple of positive ints, the "
            f"dilations. Received: size={size!r}"
        )
    require("num_filters", num_filters, num_filters >= 1, "positive")
    if kernel_size < 2:
        raise ValueError(
            "`kernel_size` must be at least 2: with 1, no word before is read. "
            f"Received: kernel_size={kernel_size}"
        )


class CausalBlock(keras.layers.Layer):
    """A residual block with a dilated convolution over the past.

    Computes `x + c(b(a(x)))`, each of the three a convolution, a layer normalisation
    of every position by itself and a ReLU: `a` and `c` of kernel size 1, `b` dilated.

    Built at once; the decoder that owns it saves its arguments. It runs over whole
    sequences or step by step, keeping the last `window` inputs of `b` between steps.

    Args:
        num_filters: Positive int `F`, width of input, output and all between.
        kernel_size: Int `K`, at least 2.
        dilation: Positive int.
        initializer: Keras initializer, or `None` for PyTorch's.
        name: Str, the layer's name.

    Attributes:
        window: Int, the number of steps before the present that the convolution sees.

    References:
        Yang et al. 2017, section 3.2 and figure 2, normalised otherwise; see
        `ConvolutionalDecoder`.
    """

    def __init__(self, num_filters, kernel_size, dilation, *, initializer=None, name):
        super().__init__(name=name)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.window = (kernel_size - 1) * dilation

        def layer(name, width):
            return dense(num_filters, width, initializer=initializer, name=name)

        def norm(name):
            made = _PositionNorm(epsilon=_EPSILON, name=name)
            made.build((None, num_filters))
            return made

        self.first = layer("first", num_filters)
        # Its rows are the kernel's entries, the earliest step's on top.
        self.past = layer("past", kernel_size * num_filters)
        self.last = layer("last", num_filters)
        self.first_norm = norm("first_norm")
        self.past_norm = norm("past_norm")
        self.last_norm = norm("last_norm")
        self.built = True

    def call(self, inputs):
        """Maps inputs `[T, N, F]`, time-major, to outputs `[T, N, F]`."""
        values = tf.nn.relu(self.first_norm(self.first(inputs)))
        kernel = tf.cast(self.past.kernel.value, values.dtype)
        kernel = tf.reshape(kernel, [self.kernel_size, -1, values.shape[-1]])
        mixed = causal_convolution(values, kernel, self.dilation)
        mixed += tf.cast(self.past.bias.value, values.dtype)
        return self._end(inputs, mixed)

    def initial_state(self, batch_size):
        """Returns the window before the first step, zeros `[N, window, F]`."""
        shape = [batch_size, self.window, self.first.units]
        return tf.zeros(shape, self.compute_dtype)

    def step(self, inputs, state):
        """Maps inputs `[N, F]` of one step to outputs and the next window."""
        values = tf.nn.relu(self.first_norm(self.first(inputs)))
        state = tf.concat([state, values[:, None]], 1)
        reached = state[:, :: self.dilation]
        reached = tf.reshape(reached, [-1, self.kernel_size * values.shape[-1]])
        return self._end(inputs, self.past(reached)), state[:, 1:]

    def _end(self, inputs, mixed):
        """Computes the block's output from the convolution of the past."""
        values = tf.nn.relu(self.past_norm(mixed))
        return inputs + tf.nn.relu(self.last_norm(self.last(values)))


class _PositionNorm(keras.layers.LayerNormalization):
    """Keras' layer with matrix products in the place of sums over filters.

    On a CPU under XLA these take a third of the time of reductions over the last axis
    and their gradients.
    """

    def call(self, inputs):
        values = tf.cast(inputs, tf.float32)
        num_filters = inputs.shape[-1]
        average = tf.fill([num_filters, 1], 1.0 / num_filters)
        values -= tf.tensordot(values, average, 1)
        variance = tf.tensordot(tf.square(values), average, 1)
        values *= tf.math.rsqrt(variance + self.epsilon)
        values *= tf.cast(self.gamma.value, tf.float32)
        values += tf.cast(self.beta.value, tf.float32)
        return tf.cast(values, inputs.dtype)


def causal_convolution(values, kernel, dilation):
    """Convolves each sequence with its past and present.

    Computes `out[t] = sum_k values[t - (K - 1 - k) * dilation] @ kernel[k]` with zeros
    before the first step: the last entry of `kernel` acts on the present.

    A product for each shift leaves out the zeros, which are most of a short sentence
    under a large dilation.

    Args:
        values: Float tensor `[T, N, D]`, time-major, `T >= 1`.
        kernel: Float tensor `[K, D, F]`, `K` known.
        dilation: Positive int, steps between two entries of the kernel.

    Returns:
        Float tensor `[T, N, F]`.

    Example:
    >>> values = tf.reshape(tf.constant([1.0, 10.0, 100.0]), [3, 1, 1])
    >>> kernel = tf.reshape(tf.constant([2.0, 1.0]), [2, 1, 1])
    >>> causal_convolution(values, kernel, dilation=2)[:, 0, 0].numpy()
    array([  1.,  10., 102.], dtype=float32)
    """
    taps = tf.unstack(kernel)
    num_steps = tf.shape(values)[0]
    result = tf.tensordot(values, taps.pop(), 1)
    for distance, tap in enumerate(reversed(taps), start=1):
        shift = distance * dilation
        # One row at least: in a graph, oneDNN ends the process on the gradient of a
        # product over no rows. The padding pushes that row beyond the end.
        seen = values[: tf.maximum(num_steps - shift, 1)]
        late = tf.pad(tf.tensordot(seen, tap, 1), [[shift, 0], [0, 0], [0, 0]])
        result += late[:num_steps]
    return result
