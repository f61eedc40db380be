"""The loop that writes sentences word by word."""

import tensorflow as tf

from tfvae.kernels.sequences import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from tfvae.seeds import fold_in, uniform

_IMPOSSIBLE = -1e9


class Sampler:
    """Writes sentences; a variant overrides `choose`.

    The words of a row depend on the seed, on the row's number and on its memory, not
    on the other rows nor on `max_length`.

    Args:
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Attributes:
        temperature: Float, or tensor `[N]`, that logits are divided by.
    """

    temperature = 1.0

    def __init__(self, allow_unknown=True):
        self.allow_unknown = allow_unknown

    def __call__(self, decoder, memory, max_length, seed, compact=True):
        """Writes a sentence for each row of a memory, until every row has ended.

        Args:
            decoder: `Decoder`.
            memory: Float tensor `[N, U]`.
            max_length: Positive int, the most ids a row, `</s>` included.
            seed: Int tensor `[2]`.
            compact: Whether rows that have ended are taken out of the batch, so that
                the cost is that of the words written. XLA needs `False`, since sizes
                then depend on the data. Defaults to `True`.

        Returns:
            Int32 tensor `[N, max_length]`, padding after `</s>`.

        Raises:
            ValueError: If `max_length` is not positive.
        """
        check_max_length(max_length)
        num_rows = tf.shape(memory)[0]
        written = tf.TensorArray(tf.int32, size=max_length, element_shape=[None])
        temperature = tf.broadcast_to(tf.cast(self.temperature, tf.float32), [num_rows])
        scaled = _differs_from_one(self.temperature)

        def step(t, last, ended, carried, written):
            rows, memory, temperature, state = carried
            logits, state = decoder.step(last, memory, state)
            if scaled:
                logits /= temperature[:, None]
            # Of all rows, so that a row's noise stays its own when others have left.
            noise = tf.gather(self.noise(seed, t, num_rows), rows)
            chosen = self.choose(self.possible(logits), noise)
            carried = (rows, memory, temperature, state)
            if compact:
                column = tf.scatter_nd(rows[:, None], chosen, num_rows[None])
                going = tf.where(tf.not_equal(chosen, EOS_ID))[:, 0]
                chosen, carried = take_rows((chosen, carried), going)
                ended = tf.zeros_like(chosen, tf.bool)
            else:
                column = chosen = tf.where(ended, PAD_ID, chosen)
                ended = ended | tf.equal(chosen, EOS_ID)
            return t + 1, chosen, ended, carried, written.write(t, column)

        start = (
            tf.constant(0),
            tf.fill([num_rows], BOS_ID),
            tf.zeros([num_rows], tf.bool),
            (tf.range(num_rows), memory, temperature, decoder.initial_state(memory)),
        )
        # An unwritten entry of a TensorArray stacks as zeros, which is the padding.
        *_, written = tf.while_loop(
            lambda t, last, ended, *_: tf.logical_not(tf.reduce_all(ended)),
            step,
            (*start, written),
            shape_invariants=(*any_rows(start), tf.TensorShape(None)),
            maximum_iterations=max_length,
        )
        return tf.transpose(written.stack())

    def noise(self, seed, step, num_rows):
        """Draws a step's noise for all rows, those that have ended included.

        Args:
            seed: What the call was given.
            step: Int, or int scalar tensor, from 0.
            num_rows: Int scalar tensor `N`.

        Returns:
            Float32 tensor `[N, 2]`.
        """
        return uniform([num_rows, 2], fold_in(seed, step))

    def choose(self, logits, noise):
        """Picks a word for each row.

        Args:
            logits: Float32 tensor `[N, V]`, divided by the temperature, impossible
                words at -1e9.
            noise: Float32 tensor `[N, 2]`, uniform in `(0, 1)`, new at each step.

        Returns:
            Int32 tensor `[N]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `choose`.")

    def possible(self, logits):
        """Rules out padding, `<s>` and, if so asked, `<unk>`."""
        banned = [PAD_ID, BOS_ID] + ([] if self.allow_unknown else [UNK_ID])
        size = logits.shape[-1]
        mask = tf.reduce_sum(tf.one_hot(banned, size), axis=0)
        return tf.where(mask > 0, _IMPOSSIBLE, logits)


def check_max_length(max_length):
    """Refuses a length below 1.

    Raises:
        ValueError: If `max_length` is not positive.
    """
    if max_length < 1:
        raise ValueError(
            f"`max_length` must be positive. Received: max_length={max_length}"
        )


def take_rows(values, rows):
    """Picks rows of each tensor of a nest; what has no rows stays as it is."""
    return tf.nest.map_structure(
        lambda value: value if value.shape.rank == 0 else tf.gather(value, rows), values
    )


def _differs_from_one(temperature):
    return not isinstance(temperature, (int, float)) or temperature != 1.0


def any_rows(values):
    """Gives the shapes of a nest of tensors with any number of rows."""

    def shape_of(value):
        is_scalar = value.shape.rank == 0
        return value.shape if is_scalar else tf.TensorShape([None, *value.shape[1:]])

    return tf.nest.map_structure(shape_of, values)
