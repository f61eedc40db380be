"""Writing sentences word by word."""

import tensorflow as tf

from tfvae.kernels.sequences import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from tfvae.seeds import fold_in, uniform

_IMPOSSIBLE = -1e9


class Sampler:
    """Chooses the next word; a variant overrides `choose`.

    Args:
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.
    """

    def __init__(self, allow_unknown=True):
        self.allow_unknown = allow_unknown

    def choose(self, logits, seed):
        """Picks a word for each row.

        Args:
            logits: Float32 tensor `[N, V]`, impossible words at -1e9.
            seed: Int tensor `[2]`, another at each step.

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


class Greedy(Sampler):
    """The most probable word at each step."""

    def choose(self, logits, seed):
        """Picks the largest logit."""
        return tf.argmax(logits, -1, output_type=tf.int32)


class Ancestral(Sampler):
    """A draw from the softmax of `logits / temperature`.

    Args:
        temperature: Positive float. Defaults to `1.0`, the model's distribution.
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Raises:
        ValueError: If `temperature` is not positive.
    """

    def __init__(self, temperature=1.0, allow_unknown=True):
        super().__init__(allow_unknown)
        if isinstance(temperature, (int, float)) and temperature <= 0:
            raise ValueError(
                "`temperature` must be positive; use `Greedy` for the limit at 0. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature

    def choose(self, logits, seed):
        """Draws by the Gumbel trick, which works the same under XLA."""
        gumbel = -tf.math.log(-tf.math.log(uniform(tf.shape(logits), seed)))
        return tf.argmax(logits / self.temperature + gumbel, -1, output_type=tf.int32)


_BY_NAME = {"greedy": Greedy, "ancestral": Ancestral}


def get_sampler(sampler):
    """Gives a sampler by name, or the sampler itself.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if sampler not in _BY_NAME:
        raise ValueError(
            f"`sampler` must be a `Sampler` or one of {sorted(_BY_NAME)}. "
            f"Received: sampler={sampler!r}"
        )
    return _BY_NAME[sampler]()


def generate(decoder, memory, sampler, max_length, seed):
    """Writes a sentence for each row of a memory; stops when every row has ended.

    Args:
        decoder: `Decoder`.
        memory: Float tensor `[N, U]`.
        sampler: `Sampler`.
        max_length: Positive int, the most ids a row, `</s>` included.
        seed: Int tensor `[2]`.

    Returns:
        Int32 tensor `[N, max_length]`, padding after `</s>`.

    Raises:
        ValueError: If `max_length` is not positive.
    """
    if max_length < 1:
        raise ValueError(
            f"`max_length` must be positive. Received: max_length={max_length}"
        )
    num_rows = tf.shape(memory)[0]
    state = decoder.initial_state(memory)
    written = tf.TensorArray(tf.int32, size=max_length, element_shape=[None])

    def step(t, last, ended, state, written):
        logits, state = decoder.step(last, memory, state)
        chosen = sampler.choose(sampler.possible(logits), fold_in(seed, t))
        chosen = tf.where(ended, PAD_ID, chosen)
        ended = ended | tf.equal(chosen, EOS_ID)
        return t + 1, chosen, ended, state, written.write(t, chosen)

    last = tf.fill([num_rows], BOS_ID)
    ended = tf.zeros([num_rows], tf.bool)
    # An unwritten entry of a TensorArray stacks as zeros, which is the padding.
    *_, written = tf.while_loop(
        lambda t, last, ended, *_: tf.logical_not(tf.reduce_all(ended)),
        step,
        (0, last, ended, state, written),
        maximum_iterations=max_length,
    )
    return tf.transpose(written.stack())
