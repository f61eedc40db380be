"""What a model reads in a code or a context: scores of sentences with others' ones."""

import math
import typing

import keras
import numpy as np

from tfvae.evaluation.latent import standard_error


class DecoderInformation(typing.NamedTuple):
    """What a decoder takes from its code, by sentence.

    Attributes:
        gain: Float64 array `[N]`, `log p(x|z) - log p(x|z')` in nats, `z` the
            sentence's own code and `z'` that of another one.
        information: Float64 array `[N]`,
            `log p(x|z) - log(mean over the codes of p(x|z))` in nats, the own code
            among them.
        num_codes: Int, the codes of each sentence.
    """

    gain: np.ndarray
    information: np.ndarray
    num_codes: int

    def metrics(self):
        """Returns the means and their standard errors as `evaluate` names them."""
        found = {
            "latent_gain": float(self.gain.mean()),
            "decoder_mi": float(self.information.mean()),
            "decoder_mi_cap": math.log(self.num_codes),
            "decoder_mi_codes": self.num_codes,
        }
        for name, values in (
            ("latent_gain", self.gain),
            ("decoder_mi", self.information),
        ):
            found[f"{name}_se"] = standard_error(values)
        return found


def partners(num_sentences, num_codes, seed):
    """Draws whose codes each sentence is scored with.

    The sentences are put in a random order; the code in row `k` is that of the
    sentence `k` places further on in it, from the end on to its beginning.

    Args:
        num_sentences: Positive int `N`.
        num_codes: Positive int `K` of at most `N`.
        seed: Int.

    Returns:
        Int array `[K, N]`, sentences' own numbers in row 0; no number occurs twice in a
        row or a column.
    """
    order = np.random.default_rng(seed).permutation(num_sentences)
    rows = np.empty([num_codes, num_sentences], np.int64)
    for shift in range(num_codes):
        rows[shift, order] = np.roll(order, -shift)
    return rows


def decoder_information(score, batches, codes, *, num_codes=32, seed=0):
    """Measures how much better a sentence is predicted with its own code.

    A decoder that ignores its code has a gain of 0, whatever the divergence of the
    posterior from the prior, the number of active units or the mutual information of
    sentence and code in the encoder: those are positive by construction under a fixed
    concentration, free bits or batch-normalised means.

    The mean information is, in expectation, at most the mutual information of sentence
    and code, and at most `log(num_codes)`.

    Args:
        score: Function of a batch's inputs and codes `[K, B, Z]` that returns
            `log p(x|z)`, float `[K, B]` in nats.
        batches: Iterable of dicts, `"tokens"` int `[B, T]` among them, `N` sentences in
            all.
        codes: Float array `[N, Z]`, a code of each sentence, in the same order.
        num_codes: Int of at least 2, the codes that each sentence is scored with; at
            most as many as there are sentences. Defaults to `32`.
        seed: Int, of the order in which sentences exchange codes. Defaults to `0`.

    Returns:
        A `DecoderInformation`.

    Raises:
        ValueError: If there are fewer than two sentences or codes.

    References:
        The information is the bound of van den Oord et al. 2018, Representation
        Learning with Contrastive Predictive Coding, with `log p(x|z)` as its score.
    """
    codes = np.asarray(codes, np.float32)
    num_codes = min(num_codes, len(codes))
    if num_codes < 2:
        raise ValueError(
            "`num_codes` and the number of sentences must be at least 2, since codes "
            f"are exchanged. Received: num_codes={num_codes}, sentences={len(codes)}"
        )
    rows = partners(len(codes), num_codes, seed)
    found, start = [], 0
    for batch in batches:
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        stop = min(start + len(inputs["tokens"]), len(codes))
        inputs = {name: value[: stop - start] for name, value in inputs.items()}
        found.append(np.asarray(score(inputs, codes[rows[:, start:stop]]), np.float64))
        start = stop
        if start == len(codes):
            break
    scores = np.concatenate(found, axis=1)
    mean = np.logaddexp.reduce(scores, axis=0) - math.log(num_codes)
    return DecoderInformation(scores[0] - scores[1], scores[0] - mean, num_codes)


def context_gain(score, batches, keys, nll, *, seed=0):
    """Measures how much better a sentence is predicted with its own context.

    Computes `nll(x|c') - nll(x|c)`, `c'` the context of another sentence, on average. A
    model that does not use its context has a gain of 0. It may be larger than the
    information that contexts and sentences share, since a wrong context can mislead.

    Args:
        score: Function of a batch's inputs and its number that returns the negative
            log-likelihood, float `[B]` in nats.
        batches: Iterable of dicts that can be read twice, `N` sentences in all.
        keys: Names of what is exchanged, all of it together, such as `("context",)`.
        nll: Float array `[N]`, the scores with the own contexts.
        seed: Int, of the order in which sentences exchange contexts. Defaults to `0`.

    Returns:
        Dict of `context_gain` and `context_gain_se`, in nats.

    Raises:
        ValueError: If there are fewer than two sentences.
    """
    if len(nll) < 2:
        raise ValueError(
            "`nll` must be of at least 2 sentences, since contexts are exchanged. "
            f"Received: {len(nll)}"
        )
    others = {key: _column(batches, key) for key in keys}
    order = partners(len(nll), 2, seed)[1]
    found, start = [], 0
    for number, batch in enumerate(batches):
        inputs = dict(keras.utils.unpack_x_y_sample_weight(batch)[0])
        rows = order[start : start + len(inputs["tokens"])]
        start += len(rows)
        inputs |= {key: values[rows] for key, values in others.items()}
        found.append(np.asarray(score(inputs, number), np.float64))
    gain = np.concatenate(found) - nll
    return {
        "context_gain": float(gain.mean()),
        "context_gain_se": standard_error(gain),
    }


def _column(batches, key):
    """Joins what all batches hold of a key, padded to one width."""
    parts = [
        np.asarray(keras.utils.unpack_x_y_sample_weight(batch)[0][key])
        for batch in batches
    ]
    if parts[0].ndim > 1:
        width = max(part.shape[-1] for part in parts)
        parts = [
            np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, width - part.shape[-1])])
            for part in parts
        ]
    return np.concatenate(parts)
