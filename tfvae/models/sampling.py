"""What chooses the next word, and samplers by their names."""

import tensorflow as tf

from tfvae.kernels.categorical import categorical, keep_largest, keep_nucleus
from tfvae.models.beam_search import BeamSearch
from tfvae.models.sampler import Sampler


class Greedy(Sampler):
    """The most probable word at each step; of equal ones the first."""

    def choose(self, logits, noise):
        """Picks the largest logit."""
        return tf.argmax(logits, -1, output_type=tf.int32)


class Ancestral(Sampler):
    """A draw from the softmax of `logits / temperature`.

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
        """Draws from the softmax."""
        return categorical(logits, noise)


class TopK(Ancestral):
    """A draw from the `k` most probable words, renormalised.

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
        """Draws from the likeliest."""
        values, classes = keep_largest(logits, self.k)
        place = categorical(values, noise)
        return tf.gather(classes, place, batch_dims=1)


class Nucleus(Ancestral):
    """A draw from the likeliest words that hold a given mass, renormalised.

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

    def choose(self, logits, noise):
        """Draws from the nucleus."""
        if self.p < 1.0:
            logits = keep_nucleus(logits, self.p)
        return categorical(logits, noise)


_BY_NAME = {
    "greedy": Greedy,
    "ancestral": Ancestral,
    "top_k": TopK,
    "nucleus": Nucleus,
    "beam": BeamSearch,
}


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


def generate(decoder, memory, sampler, max_length, seed, compact=True):
    """Writes a sentence for each row of a memory; see `Sampler.__call__`."""
    return sampler(decoder, memory, max_length, seed, compact)
