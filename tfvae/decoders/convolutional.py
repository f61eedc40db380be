"""A convolutional decoder: dilated causal residual blocks."""

import keras
import tensorflow as tf

from tfvae.decoders.decoder import Decoder
from tfvae.kernels.sequences import BOS_ID, prepend_bos
from tfvae.layers import dropout, require_rate, word_vectors
from tfvae.layers.causal_block import CausalBlock
from tfvae.layers.dense import dense
from tfvae.seeds import fold_in
from tfvae.text.noise import word_dropout

_SIZES = {
    "small": (1, 2, 4),
    "medium": (1, 2, 4, 8, 16),
    "large": (1, 2, 4, 8, 16, 1, 2, 4, 8, 16),
}


@keras.saving.register_keras_serializable("tfvae")
class ConvolutionalDecoder(Decoder):
    """Writes a sentence from a bounded stretch of the words before and a memory.

    How many words it sees is a choice, so how much it needs the latent is one too.
    The memory takes the place of `<s>` and is appended to every input; a memory of
    width 0 makes a convolutional language model, which reads `<s>`.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int, width of the word vectors.
        num_filters: Positive int `F`, width of the blocks.
        size: `"small"`, `"medium"` or `"large"`, or a tuple of positive ints, the
            blocks' dilations. Defaults to `"medium"`, `(1, 2, 4, 8, 16)`; small ends
            at 4, large is medium twice.
        kernel_size: Int, at least 2. Defaults to `3`.
        input_dropout: Float in `[0, 1)`, on word vectors, a fresh mask each step.
        memory_dropout: Float in `[0, 1)`, on the memory, a fresh mask each step.
            Costs a product a step; without it the memory is projected once a
            sentence.
        output_dropout: Float in `[0, 1)`, on what the last block gives.
        word_dropout: Float in `[0, 1]`, the share of input words replaced by
            `<unk>` in training, see `RecurrentDecoder`.
        projection_dim: Width of a tanh layer between blocks and vocabulary, or `None`
            for none.
        initializer: Keras initializer of blocks, maps and output, or `None` for
            PyTorch's.
        embedding_initializer: Keras initializer of the word vectors, or `None` for a
            standard normal, PyTorch's.

    Attributes:
        dilations: Tuple of ints, one a block.
        receptive_field: Int, how many inputs, the present one included, a prediction
            depends on, apart from the memory.

    Raises:
        ValueError: If a size or a rate is out of range.

    References:
        Yang et al. 2017, section 3.2; as in Wu et al. 2020, whose released code has
        three deviations from this decoder. It normalises over the batch, so that in
        training a word's score depends on later words and on padding; here each
        position is normalised by itself. It puts the memory one position before
        `<s>`, here in its place. It maps that memory as it does word vectors; here it
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
        super().__init__(name=name, dtype=dtype)
        _require_sizes(size, num_filters, kernel_size)
        require_rate("input_dropout", input_dropout)
        require_rate("memory_dropout", memory_dropout)
        require_rate("output_dropout", output_dropout)
        if not 0.0 <= word_dropout <= 1.0:
            raise ValueError(
                f"`word_dropout` must be in [0, 1]. Received: {word_dropout}"
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.num_filters = num_filters
        self.size = size if isinstance(size, str) else tuple(size)
        self.dilations = _SIZES.get(self.size, self.size)
        self.kernel_size = kernel_size
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

    @property
    def receptive_field(self):
        """How many inputs a prediction depends on."""
        return 1 + (self.kernel_size - 1) * sum(self.dilations)

    def build(self, memory_dim):
        """Creates the weights for a memory of width `memory_dim`, 0 without one."""
        if not self.embedding.built:
            self.embedding.build()

        def layer(units, width, name, **options):
            options["initializer"] = self.initializer
            return dense(units, width, name=name, **options)

        self.word_layer = layer(self.num_filters, self.embedding_dim, "words")
        self.memory_to_first = self.memory_to_steps = None
        if memory_dim > 0:
            self.memory_to_first = layer(self.num_filters, memory_dim, "first")
            self.memory_to_steps = layer(
                self.num_filters, memory_dim, "steps", use_bias=False
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
        width = self.num_filters
        self.projection = None
        if self.projection_dim is not None:
            self.projection = layer(
                self.projection_dim, width, "projection", activation="tanh"
            )
            width = self.projection_dim
        self.output_layer = layer(self.vocabulary_size, width, "output")
        self.built = True

    def initial_state(self, memory):
        """Gives each block's empty window; see `Decoder.initial_state`."""
        num_rows = tf.shape(memory)[0]
        return tuple(block.initial_state(num_rows) for block in self.blocks)

    def step(self, token_ids, memory, state):
        """Advances by one word; see `Decoder.step`."""
        vectors = tf.gather(self.embedding.embeddings.value, token_ids)
        hidden = self.word_layer(vectors)
        if self.memory_to_first is not None:
            at_start = tf.equal(token_ids, BOS_ID)[:, None]
            hidden = tf.where(at_start, self.memory_to_first(memory), hidden)
            hidden += self.memory_to_steps(memory)
        windows = []
        for block, window in zip(self.blocks, state, strict=True):
            hidden, window = block.step(hidden, window)
            windows.append(window)
        if self.projection is not None:
            hidden = self.projection(hidden)
        return tf.cast(self.output_layer(hidden), tf.float32), tuple(windows)

    def hidden(self, tokens, memory, seed=None, training=False):
        """Gives what the vocabulary layer reads, `[T + 1, S * B, D]`, time-major."""
        hidden = self._project(tokens, memory, seed, training)
        for block in self.blocks:
            hidden = block(hidden)
        if training:
            hidden = dropout(hidden, self.output_dropout, fold_in(seed, 2))
        return hidden if self.projection is None else self.projection(hidden)

    def _project(self, tokens, memory, seed, training):
        """Projects words, once for all samples, and memory, `[T + 1, S * B, F]`."""
        num_samples, _, memory_dim = memory.shape
        inputs = prepend_bos(tokens)
        if training and self.word_dropout:
            inputs = word_dropout(inputs, self.word_dropout, fold_in(seed, 0))
        vectors = tf.gather(self.embedding.embeddings.value, tf.transpose(inputs))
        if training:
            vectors = dropout(vectors, self.input_dropout, fold_in(seed, 1))
        projected = self.word_layer(vectors)
        if num_samples != 1:
            projected = tf.tile(projected, [1, num_samples, 1])
        if self.memory_to_first is None:
            return projected
        rows = tf.reshape(memory, [1, -1, memory_dim])
        if training and self.memory_dropout:
            rows = tf.repeat(rows, tf.shape(projected)[0], axis=0)
            rows = dropout(rows, self.memory_dropout, fold_in(seed, 3))
        first = self.memory_to_first(rows[:1])
        projected = tf.concat([first, projected[1:]], 0)
        return projected + self.memory_to_steps(rows)


def _require_sizes(size, num_filters, kernel_size):
    """Refuses sizes that make no network."""
    known = size in _SIZES if isinstance(size, str) else min(size, default=0) > 0
    if not known:
        raise ValueError(
            f"`size` must be one of {sorted(_SIZES)} or a tuple of positive ints, the "
            f"dilations. Received: size={size!r}"
        )
    if num_filters < 1:
        raise ValueError(
            f"`num_filters` must be positive. Received: num_filters={num_filters}"
        )
    if kernel_size < 2:
        raise ValueError(
            "`kernel_size` must be at least 2: with 1, no word before is read. "
            f"Received: kernel_size={kernel_size}"
        )
