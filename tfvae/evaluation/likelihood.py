"""How well a model predicts sentences, with their own codes and with others' ones."""

import math
import typing

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.latent import standard_error
from tfvae.evaluation.posterior import PosteriorSampler
from tfvae.models import inference
from tfvae.ops.runtime import graph_function
from tfvae.ops.sequences import lengths
from tfvae.seeds import as_seed

# Rows of the decoder's recurrence at once: 100 MB for each 1,500 floats of a row.
_MAX_ROWS = 16384


class SentenceScores(typing.NamedTuple):
    """What `SentenceScorer` computes for a batch.

    Attributes:
        num_tokens: Int32 `[B]`, words and `</s>`.
        reconstruction: Float32 `[B]`, `-E_q[log p(x|z)]` in nats; `None` for a model
            without a latent.
        kl: Float32 `[B]`, `KL(q(z|x) || p(z))` in nats, or `None` without densities.
        nelbo: Float32 `[B]`, their sum, or `None` without densities.
        nll: Float32 `[B]`, in nats, computed as the scorer's `nll_method` says; `None`
            where it is not defined.
        reported: Dict of float32 `[B]`, metrics that papers report by definitions of
            their own, such as `critic_elbo`, in nats.
        samples: `PosteriorSamples`, or `None` for a model without a latent.
    """

    num_tokens: typing.Any
    reconstruction: typing.Any = None
    kl: typing.Any = None
    nelbo: typing.Any = None
    nll: typing.Any = None
    reported: typing.Any = None
    samples: typing.Any = None


class SentenceScorer:
    """Scores batches of sentences under a model; compiles once for many batches.

    The encoder runs once per batch. Latent samples are drawn at once and decoded in
    chunks, all of one size, so memory is bounded and results do not depend on the
    chunk size.

    A linear `Implicit` posterior is scored by its exact Gaussian density. Other random
    posteriors without a density give an `nll` by a `FittedProposal`, whose codes are
    decoded besides, and neither `kl` nor `nelbo`. A deterministic one gives a
    reconstruction from its one code. Where it is the prior that has no density, `nll`
    is `-log(mean of p(x|z))` over samples of it, ten times `num_samples`: an upper
    bound in expectation too, and a loose one, since no code is chosen by the sentence.

    Args:
        model: `VAE` or `LanguageModel`.
        num_samples: Positive int `N`, latent samples per sentence; a deterministic
            posterior has one. Defaults to `100`.
        chunk_size: Positive int, latent samples decoded at once, or `None` to choose
            by the size of the batch.
        num_draws: Int `D` of latent samples to draw at least, of which the first `N`
            are decoded, or `None` for `N`; see `PosteriorSampler`.
        proposal: `FittedProposal` for the `nll`, or `None` for the posterior itself
            where its density is known and a default one elsewhere.
        jit_compile: Whether XLA compiles the decoder, or `None` for what the model was
            compiled with. Results agree up to rounding.

    Attributes:
        num_samples: Int `N`, as decoded.
        posterior_sampler: `PosteriorSampler`, which knows the posterior and the
            proposal as they are used, or `None` without a latent.
        nll_method: `"exact"` without a latent, else as of `PosteriorSampler`; `None`
            where the likelihood is not defined.

    Raises:
        ValueError: If a count is out of range, or `proposal` does not fit the model.
    """

    def __init__(
        self,
        model,
        num_samples=100,
        *,
        chunk_size=None,
        num_draws=None,
        proposal=None,
        jit_compile=None,
    ):
        if num_samples < 1 or (chunk_size is not None and chunk_size < 1):
            raise ValueError(
                "`num_samples` and `chunk_size` must be positive. Received: "
                f"num_samples={num_samples}, chunk_size={chunk_size}"
            )
        if num_draws is not None and num_draws < num_samples:
            raise ValueError(
                "`num_draws` must be at least `num_samples`. Received: "
                f"num_draws={num_draws}, num_samples={num_samples}"
            )
        if jit_compile is None:
            jit_compile = model.compiled and model.jit_compile
        self.model = model
        self.chunk_size = chunk_size
        self.posterior_sampler, self.nll_method = None, "exact"
        self.num_samples = self._num_codes = num_samples
        if model.posterior is not None:
            sampler = PosteriorSampler(model, num_samples, num_draws, proposal)
            self.posterior_sampler = sampler
            self.nll_method = sampler.nll_method
            self.num_samples = sampler.num_samples
            self._num_codes = sampler.num_prior_samples or sampler.num_samples
            # Plain, since TFP's samplers draw other numbers for a seed under XLA.
            # Traced for specs of any size, which relaxed ones would not follow.
            self._sample = tf.function(sampler.__call__, autograph=False)
            self._report = graph_function(self._report)
        self._jit_compile = jit_compile
        self._decode = tf.function(
            self._decode, autograph=False, jit_compile=jit_compile
        )
        self._condition = graph_function(self._condition)

    @property
    def kl_method(self):
        """`"closed_form"` or `"monte_carlo"` after a batch, `None` without `kl`."""
        sampler = self.posterior_sampler
        return None if sampler is None else sampler.kl_method

    def __call__(self, inputs, seed=0):
        """Scores a batch.

        Args:
            inputs: Dict of arrays, `"tokens"` int `[B, T]` among them.
            seed: Int, pair of ints or int tensor `[2]`. Defaults to `0`.

        Returns:
            A `SentenceScores`.
        """
        inputs = _as_tensors(inputs)
        num_tokens = lengths(inputs["tokens"]) + 1
        if self.posterior_sampler is None:
            context = self._condition(inputs)
            spec = None if context is None else any_size(context, 1)
            # Traced for every size at once, by this line and its like below.
            self._decode.get_concrete_function(any_size(inputs["tokens"]), None, spec)
            nll = -self._decode(inputs["tokens"], None, context)[0]
            return SentenceScores(num_tokens, nll=nll, reported={})
        seed = as_seed(seed)
        specs = {name: any_size(value) for name, value in inputs.items()}
        self._sample.get_concrete_function(specs, any_size(seed))
        samples = self._sample(inputs, seed)
        context, z = samples.encoded.context, samples.z[: self.num_samples]
        log_likelihood = self.log_likelihood(inputs, z, context)
        reconstruction = -tf.reduce_mean(log_likelihood, axis=0)
        nelbo = None
        if samples.kl is not None and self.model.encoder_reads == "text":
            nelbo = reconstruction + samples.kl
        nll = None
        reported = self._report(samples, log_likelihood, seed)
        if samples.log_ratio is not None:
            if samples.proposed is not None:
                log_likelihood = self.log_likelihood(inputs, samples.proposed, context)
            nll = inference.importance_weighted(log_likelihood, samples.log_ratio)
        return SentenceScores(
            num_tokens, reconstruction, samples.kl, nelbo, nll, reported, samples
        )

    def log_likelihood(self, inputs, z, context=None):
        """Computes `log p(x|z)` of any codes, in the chunks of the scorer's samples.

        Args:
            inputs: Dict of arrays, `"tokens"` int `[B, T]` among them.
            z: Float32 array `[K, B, Z]`.
            context: Float tensor `[B, K]`, or `None` to compute it where the model has
                a condition.

        Returns:
            Float32 tensor `[K, B]`, in nats.
        """
        inputs, z = _as_tensors(inputs), tf.convert_to_tensor(z)
        if context is None:
            context = self._condition(inputs)
        batch_size, num_steps = inputs["tokens"].shape
        largest = self.chunk_size or _MAX_ROWS // (batch_size * (num_steps + 1))
        num_codes = len(z)
        # XLA would compile another size anew.
        planned = self._num_codes if self._jit_compile else num_codes
        size = math.ceil(planned / math.ceil(planned / max(largest, 1)))
        # The last chunk is filled up, to be of the same size.
        num_chunks = math.ceil(num_codes / size)
        copies = math.ceil(num_chunks * size / num_codes)
        z = tf.tile(z, [copies, 1, 1])[: num_chunks * size]
        self._decode.get_concrete_function(
            any_size(inputs["tokens"]),
            any_size(z[:size], 0, 2),
            None if context is None else any_size(context, 1),
        )
        chunks = [
            self._decode(inputs["tokens"], z[start : start + size], context)
            for start in range(0, num_chunks * size, size)
        ]
        return tf.concat(chunks, axis=0)[:num_codes]

    def _condition(self, inputs):
        # Not in training, so that no noise is drawn.
        return inference.encode_condition(self.model, inputs, as_seed(0))

    def _decode(self, tokens, z, context):
        return inference.decode(self.model, tokens, z, context)[1]

    def _report(self, samples, log_likelihood, seed):
        """Computes what the terms report, dict of float32 `[B]` in nats."""
        record = self.posterior_sampler.record(
            samples.encoded, samples.z, samples.log_q, log_likelihood, seed
        )
        found = {}
        for term in self.model.objective:
            # Of two terms of a kind the first one counts.
            found = {**term.reported(record), **found}
        if {"critic_kl", "critic_marginal_kl"} <= set(found):
            found["critic_mi"] = found["critic_kl"] - found["critic_marginal_kl"]
        return found


def _as_tensors(inputs):
    return {name: tf.convert_to_tensor(value) for name, value in inputs.items()}


def any_size(tensor, *kept):
    """Creates the spec of a tensor of any size, so that a function is traced once.

    Args:
        tensor: Tensor.
        *kept: Ints, the axes whose size is part of the spec.

    Returns:
        `tf.TensorSpec`.
    """
    sizes = (size if axis in kept else None for axis, size in enumerate(tensor.shape))
    return tf.TensorSpec(list(sizes), tensor.dtype)


def importance_weighted_nll(
    model, inputs, num_samples=100, seed=0, chunk_size=None, *, jit_compile=False
):
    """Estimates the negative log-likelihood of sentences by importance sampling.

    Computes `-log(mean over i of p(z_i) * p(x|z_i) / q(z_i|x))` with `z_i` from the
    posterior, or from a `FittedProposal` where the posterior has no density; where the
    prior has none, `-log(mean of p(x|z_i))` with `10 * num_samples` codes of it. In
    expectation it is an upper bound of `-log p(x)` which tightens with `num_samples`,
    and with one sample of the posterior it is the negative evidence lower bound. The
    likelihood of a model without a latent is exact.

    Compiles anew at each call; for many batches use `SentenceScorer` or `evaluate`.

    Args:
        model: `VAE` or `LanguageModel`.
        inputs: Dict of arrays, `"tokens"` int `[B, T]` among them.
        num_samples: Positive int `N`, latent samples per sentence. Defaults to `100`.
        seed: Int, pair of ints or int tensor `[2]`. Defaults to `0`.
        chunk_size: Positive int, latent samples decoded at once, or `None` to choose
            by the size of the batch; it bounds memory and does not change results.
        jit_compile: Whether XLA compiles the decoder. Defaults to `False`.

    Returns:
        Float32 tensor `[B]`, in nats per sentence, `</s>` included.

    Raises:
        ValueError: If the model has no likelihood, or a count is out of range.

    References:
        Burda et al. 2016, Importance Weighted Autoencoders, equation 8.
    """
    scorer = SentenceScorer(
        model, num_samples, chunk_size=chunk_size, jit_compile=jit_compile
    )
    if scorer.nll_method is None:
        raise ValueError(
            "`model` must have a random posterior and a prior with a density, or its "
            "likelihood is not defined. Use the `reconstruction` of `evaluate`, or a "
            "posterior such as `Gaussian`. Received: posterior="
            f"{type(model.posterior).__name__}, prior={type(model.prior).__name__}"
        )
    return scorer(inputs, seed).nll


def perplexity(total_nats, num_tokens):
    """Computes `exp(total_nats / num_tokens)`, a corpus's perplexity.

    It is a ratio of sums, not a mean over sentences.

    Args:
        total_nats: Float, the negative log-likelihood of all sentences.
        num_tokens: Positive int, their words and `</s>`s.

    Returns:
        Float, `inf` where it overflows.

    Raises:
        ValueError: If `num_tokens` is not positive.

    Example:
    >>> round(perplexity(200.0, 50), 3)
    54.598
    """
    if num_tokens < 1:
        raise ValueError(
            "`num_tokens` must be positive; count each sentence's `</s>`. "
            f"Received: num_tokens={num_tokens}"
        )
    nats = float(total_nats) / num_tokens
    return math.inf if nats > 709.0 else math.exp(nats)


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
        return {
            "latent_gain": float(self.gain.mean()),
            "decoder_mi": float(self.information.mean()),
            "decoder_mi_cap": math.log(self.num_codes),
            "decoder_mi_codes": self.num_codes,
            "latent_gain_se": standard_error(self.gain),
            "decoder_mi_se": standard_error(self.information),
        }


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
