"""Samplers: the loop that writes sentences, and what picks the next word."""

import math

import tensorflow as tf

from tfvae.checks import require
from tfvae.ops.sequences import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from tfvae.seeds import fold_in, uniform

_IMPOSSIBLE = -1e9
# The bit pattern of 1.0; those of non-negative floats are in the order of the floats.
_BITS_OF_ONE = 0x3F800000
# The last of them is made where the others were refused, of the nucleus itself.
_DRAWS = 4


class Sampler:
    """Writes sentences word by word; a subclass overrides `choose`.

    A row's words depend on the seed, on the row's number and on its memory, but not
    on the other rows nor on `max_length`.

    Args:
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Attributes:
        temperature: Float, or float tensor `[N]`, that logits are divided by.
        is_random: Whether the words depend on the seed.

    Example:
    >>> class Rarest(Sampler):
    ...     def choose(self, logits, noise):
    ...         allowed = tf.where(logits > -1e8, logits, float("inf"))
    ...         return tf.argmin(allowed, -1, output_type=tf.int32)
    >>> Rarest().choose(tf.constant([[-1e9, 2.0, 1.0]]), None).numpy()
    array([2], dtype=int32)
    """

    temperature = 1.0
    is_random = True

    def __init__(self, allow_unknown=True):
        self.allow_unknown = allow_unknown

    @property
    def key(self):
        """A hashable that is equal for samplers of equal arguments."""
        values = (
            (name, id(value) if tf.is_tensor(value) else value)
            for name, value in sorted(vars(self).items())
        )
        return type(self), tuple(values)

    def __call__(self, decoder, memory, max_length, seed, compact=True, prefix_ids=()):
        """Writes a sentence for each row of a memory, until every row has ended.

        Args:
            decoder: `Decoder`, built; its `initial_state` and `next_logits` are called.
            memory: Float tensor `[N, U]`.
            max_length: Positive int, the most ids per row, `</s>` included.
            seed: Int tensor `[2]`.
            compact: Whether rows that have ended are taken out of the batch, so that
                the cost is that of the words written. XLA needs `False`, since sizes
                then depend on the data. Defaults to `True`.
            prefix_ids: Sequence of int, the words that every sentence begins with.
                Defaults to `()`.

        Returns:
            Int32 tensor `[N, max_length]`, what comes after `prefix_ids`, padding after
            `</s>`.

        Raises:
            ValueError: If `max_length` is not positive.
        """
        check_max_length(max_length)
        num_rows = tf.shape(memory)[0]
        written = tf.TensorArray(tf.int32, size=max_length, element_shape=[None])
        temperature = tf.broadcast_to(tf.cast(self.temperature, tf.float32), [num_rows])
        is_number = isinstance(self.temperature, (int, float))
        scaled = not is_number or self.temperature != 1.0
        last, state = begin(decoder, memory, max_length, prefix_ids)

        def step(t, last, ended, carried, written):
            rows, memory, temperature, state = carried
            logits, state = decoder.next_logits(last, memory, state)
            if scaled:
                logits /= temperature[:, None]
            noise = None
            if self.is_random:
                # Of all rows: a row's noise stays its own when others have left.
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
            last,
            tf.zeros([num_rows], tf.bool),
            (tf.range(num_rows), memory, temperature, state),
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
        """Samples the noise of a step for all rows, those that have ended included.

        Args:
            seed: The seed that the call was given.
            step: Int, or int scalar tensor, from 0.
            num_rows: Int scalar tensor `N`.

        Returns:
            Float32 tensor `[N, 2]`, or with as many numbers as `choose` reads.
        """
        return uniform([num_rows, 2], fold_in(seed, step))

    def choose(self, logits, noise):
        """Picks a word for each row.

        Args:
            logits: Float32 tensor `[N, V]`, divided by the temperature; words that
                may not be written are at -1e9.
            noise: Float32 tensor `[N, 2]`, uniform in `(0, 1)`, new at each step;
                `None` where `is_random` is false.

        Returns:
            Int32 tensor `[N]`, word ids.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `choose`.")

    def possible(self, logits):
        """Sets padding, `<s>` and, without `allow_unknown`, `<unk>` to -1e9."""
        banned = [PAD_ID, BOS_ID] + ([] if self.allow_unknown else [UNK_ID])
        size = logits.shape[-1]
        # The sum is rounded to -1e9, and a cheaper pass than a choice of the two.
        return logits + tf.reduce_sum(tf.one_hot(banned, size, _IMPOSSIBLE), axis=0)


def begin(decoder, memory, max_length, prefix_ids=()):
    """Lets a decoder read the words that sentences begin with.

    Args:
        decoder: `Decoder`, built.
        memory: Float tensor `[N, U]`.
        max_length: Positive int, the most ids that are written after them.
        prefix_ids: Sequence of int.

    Returns:
        Tuple of the word that is read next, int32 `[N]`, and the decoder's state.
    """
    num_rows = tf.shape(memory)[0]
    state = decoder.initial_state(memory, max_length + len(prefix_ids))
    last = tf.fill([num_rows], BOS_ID)
    for token_id in prefix_ids:
        _, state = decoder.next_logits(last, memory, state)
        last = tf.fill([num_rows], token_id)
    return last, state


def check_max_length(max_length):
    """Refuses a length below 1.

    Raises:
        ValueError: If `max_length` is not positive.
    """
    require("max_length", max_length, max_length >= 1, "positive")


def take_rows(values, rows):
    """Gathers rows of each tensor of a nest; scalars have none and stay."""
    return tf.nest.map_structure(
        lambda value: value if value.shape.rank == 0 else tf.gather(value, rows), values
    )


def any_rows(values):
    """Returns the shapes of a nest of tensors, the number of rows left open."""

    def shape_of(value):
        is_scalar = value.shape.rank == 0
        return value.shape if is_scalar else tf.TensorShape([None, *value.shape[1:]])

    return tf.nest.map_structure(shape_of, values)


class Greedy(Sampler):
    """Picks the most probable word at each step; of equal ones the first.

    Args:
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.
    """

    is_random = False

    def choose(self, logits, noise):
        """Picks the largest logit."""
        return tf.argmax(logits, -1, output_type=tf.int32)


class Ancestral(Sampler):
    """Samples each word from the softmax of `logits / temperature`.

    Args:
        temperature: Positive float, or float tensor `[N]` with one for each row.
            Defaults to `1.0`, the model's distribution.
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Raises:
        ValueError: If `temperature` is not positive.
    """

    def __init__(self, temperature=1.0, allow_unknown=True):
        super().__init__(allow_unknown)
        # The values of a tensor are its caller's to check.
        if isinstance(temperature, (int, float)) and not temperature > 0:
            raise ValueError(
                "`temperature` must be positive; use `Greedy` for the limit at 0. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature

    def choose(self, logits, noise):
        """Samples from the softmax."""
        return categorical(logits, noise)


class TopK(Ancestral):
    """Samples each word from the `k` most probable ones, renormalised.

    Args:
        k: Positive int. Defaults to `40`. Of words as probable as the last, those of
            the smaller ids count.
        temperature: As in `Ancestral`; it does not change which words these are.
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Raises:
        ValueError: If `k` or `temperature` is not positive.

    References:
        Fan et al. 2018, Hierarchical Neural Story Generation, section 5.
    """

    def __init__(self, k=40, temperature=1.0, allow_unknown=True):
        super().__init__(temperature, allow_unknown)
        if k < 1:
            raise ValueError(f"`k` of top-k must be at least 1. Received: k={k}")
        self.k = k

    def choose(self, logits, noise):
        """Samples from the `k` largest logits."""
        values, classes = tf.math.top_k(logits, min(self.k, logits.shape[-1]))
        place = categorical(values, noise)
        return tf.gather(classes, place, batch_dims=1)


class Nucleus(Ancestral):
    """Samples each word from the likeliest that hold a given mass, renormalised.

    A word is drawn from the whole softmax and kept if it is in the nucleus, which one
    sum over the likelier words tells; otherwise another is drawn. That takes a few
    passes over the vocabulary, and finding the nucleus itself thirty. A row that is
    refused several times has its nucleus found. The sizes depend on what is drawn: XLA
    cannot compile it.

    Args:
        p: Float in `(0, 1]`, the mass under the softmax of `logits / temperature`.
            Defaults to `0.9`.
        temperature: As in `Ancestral`.
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Raises:
        ValueError: If `p` is outside of `(0, 1]` or `temperature` is not positive.

    References:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration,
        section 3.1. Words as probable as the last of the nucleus are in it too.
    """

    def __init__(self, p=0.9, temperature=1.0, allow_unknown=True):
        super().__init__(temperature, allow_unknown)
        if not 0.0 < p <= 1.0:
            raise ValueError(f"`p` of top-p must be in (0, 1]. Received: p={p}")
        self.p = p

    def noise(self, seed, step, num_rows):
        """Samples two numbers for each draw, float32 `[N, 8]`."""
        return uniform([num_rows, 2 * _DRAWS], fold_in(seed, step))

    def choose(self, logits, noise):
        """Samples from the nucleus."""
        if self.p == 1.0:
            return categorical(logits, noise[:, :2])
        # A nucleus of little mass refuses most draws: it is found at once.
        num_draws = _DRAWS - 1 if self.p >= 0.5 else 0
        rows = tf.range(tf.shape(logits)[0])
        chosen = tf.zeros_like(rows)
        weights = tf.nn.softmax(logits)
        for draw in range(num_draws):
            own = weights if draw == 0 else tf.gather(weights, rows)
            drawn = _draw(own, tf.gather(noise, rows)[:, 2 * draw : 2 * draw + 2])
            chosen = tf.tensor_scatter_nd_update(chosen, rows[:, None], drawn)
            rows = tf.boolean_mask(rows, ~in_nucleus(own, drawn, self.p))

        def find():
            own = keep_nucleus(tf.gather(logits, rows), self.p)
            drawn = categorical(own, tf.gather(noise, rows)[:, -2:])
            return tf.tensor_scatter_nd_update(chosen, rows[:, None], drawn)

        # Mostly no row is left, and thirty sums over none take their time too.
        return tf.cond(tf.size(rows) > 0, find, lambda: chosen)


def categorical(logits, noise):
    """Samples a class for each row by inverting the distribution function.

    The classes are cut into about `sqrt(V)` blocks: the first number of the noise
    picks a block, the second a class within it. So two numbers per row are enough,
    where the Gumbel trick takes `V`, and a rare class keeps the resolution that one
    running sum over all classes in float32 would lose. Samples with and without XLA
    are the same but for rounding.

    Args:
        logits: Float32 tensor `[N, V]`; a class at -1e9 or lower is never drawn where
            another is above.
        noise: Float32 tensor `[N, 2]`, independent, uniform in the open `(0, 1)`.

    Returns:
        Int32 tensor `[N]`.

    Example:
    >>> logits = tf.math.log([[0.1, 0.2, 0.3, 0.4]])
    >>> categorical(logits, [[0.2, 0.5]]).numpy()
    array([1], dtype=int32)
    """
    return _draw(tf.nn.softmax(logits), noise)


def _draw(weights, noise):
    """Samples a class for each row of weights; see `categorical`."""
    num_classes = weights.shape[-1]
    size = math.isqrt(num_classes - 1) + 1
    num_blocks = -(-num_classes // size)
    missing = num_blocks * size - num_classes
    if missing:
        weights = tf.pad(weights, [[0, 0], [0, missing]])
    weights = tf.reshape(weights, [-1, num_blocks, size])
    noise = tf.convert_to_tensor(noise, tf.float32)
    block = _invert(tf.reduce_sum(weights, -1), noise[:, 0])
    inside = _invert(tf.gather(weights, block, batch_dims=1), noise[:, 1])
    return block * size + inside


def _invert(weights, uniform):
    """Finds the first class whose running sum reaches a share of the total.

    Args:
        weights: Float32 tensor `[N, K]`, not negative.
        uniform: Float32 tensor `[N]` in `(0, 1)`.

    Returns:
        Int32 tensor `[N]`, a class of positive weight.
    """
    sums = tf.cumsum(weights, axis=-1)
    reached = sums >= uniform[:, None] * sums[:, -1:]
    # Rounded sums need not grow with the classes, hence the care for weight 0.
    scores = tf.where(weights > 0, tf.where(reached, 2.0, weights / sums[:, -1:]), -1.0)
    return tf.argmax(scores, -1, output_type=tf.int32)


def in_nucleus(weights, classes, mass):
    """Tells whether a class of each row is in the nucleus; see `keep_nucleus`.

    Args:
        weights: Float32 tensor `[N, V]`, not negative, proportional to probabilities.
        classes: Int tensor `[N]`.
        mass: Float in `(0, 1]`, of the sum of a row.

    Returns:
        Bool tensor `[N]`.

    Example:
    >>> in_nucleus(tf.constant([[5.0, 3.0, 2.0]] * 3), [0, 1, 2], 0.6).numpy()
    array([ True,  True, False])
    """
    own = tf.gather(weights, classes, batch_dims=1)[:, None]
    likelier = tf.reduce_sum(tf.where(weights > own, weights, 0.0), -1)
    return likelier < mass * tf.reduce_sum(weights, -1)


def keep_nucleus(logits, mass):
    """Rules out all classes but the nucleus, the likeliest that hold a given mass.

    The nucleus is the smallest set of likeliest classes whose probabilities sum to at
    least `mass`, together with those as probable as the last of them. The least
    probability in it is found by bisection over the floats, which takes 30 sums where
    sorting a large vocabulary takes longer.

    Args:
        logits: Float32 tensor `[N, V]`.
        mass: Float in `(0, 1]`.

    Returns:
        Float32 tensor `[N, V]`, the logits with -1e9 outside of the nucleus.

    Example:
    >>> keep_nucleus(tf.math.log([[0.5, 0.3, 0.2]]), 0.6).numpy().round(2)
    array([[-6.9e-01, -1.2e+00, -1.0e+09]], dtype=float32)

    References:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, section 3.1.
    """
    probs = tf.nn.softmax(logits)
    num_rows = tf.shape(probs)[0]
    # The mass is enough at `low` and too little at `high`, bit patterns of floats.
    low = tf.zeros([num_rows], tf.int32)
    high = tf.fill([num_rows], _BITS_OF_ONE + 1)

    def halve(step, low, high):
        middle = low + (high - low) // 2
        least = tf.bitcast(middle, tf.float32)[:, None]
        held = tf.reduce_sum(tf.where(probs >= least, probs, 0.0), -1)
        enough = held >= mass
        low, high = tf.where(enough, middle, low), tf.where(enough, high, middle)
        return step + 1, low, high

    _, low, _ = tf.while_loop(lambda step, *_: step < 30, halve, (0, low, high))
    least = tf.bitcast(low, tf.float32)[:, None]
    return tf.where(probs >= least, logits, _IMPOSSIBLE)
