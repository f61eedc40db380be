"""How much a code says, how strongly costs depend on it, how codes fit the prior."""

import itertools
import math
import typing

import keras
import numpy as np
import tensorflow as tf

from tfvae.distributions.aggregated_posterior import mutual_information
from tfvae.distributions.divergences import inverse_multiquadratic, mmd
from tfvae.evaluation.posterior import (
    PosteriorSampler,
    is_diagonal_gaussian,
    moments,
    posterior_scales,
)
from tfvae.models import inference
from tfvae.ops.runtime import graph_function
from tfvae.seeds import as_seed, fold_in

# The scales of the MMD's kernels, those of Coupled-VAE and of Tolstikhin et al.
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def active_units(means, threshold=0.01, noise=None):
    """Counts the latent dimensions that move with the sentence.

    A unit is active if the unbiased variance over sentences of the posterior's mean
    `E[z|x]` exceeds the threshold. Where a mean is estimated from samples, its noise
    adds to that variance, and is subtracted.

    Args:
        means: Float array `[N, Z]`, one posterior mean per sentence.
        threshold: Non-negative float, in squared units of the code. Defaults to
            `0.01`, 1% of the variance of a standard normal prior. For unit vectors,
            whose coordinates have the variance `1 / Z` if uniform, take `0.01 / Z`.
        noise: Float array `[N, Z]`, the variance of each mean as an estimate, or
            `None` for exact means.

    Returns:
        Tuple of the count, an int, and the variances, a float64 array `[Z]`.

    Raises:
        ValueError: If there are fewer than two sentences.

    Example:
    >>> count, variances = active_units([[1.0, 0.1], [3.0, 0.2]])
    >>> count, variances.round(3).tolist()
    (1, [2.0, 0.005])

    References:
        Burda et al. 2016, Importance Weighted Autoencoders, section 5.2. He et al.
        2019 take the unbiased variance too, and count a variance at the threshold.
        Fang et al. 2019 take means of 128 samples and leave their noise in.
    """
    means = np.asarray(means, np.float64)
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(
            "`means` must be a matrix of at least two sentences, since a variance is "
            f"taken over them. Received: shape={means.shape}"
        )
    variances = means.var(axis=0, ddof=1)
    if noise is not None:
        variances -= np.mean(noise, axis=0, dtype=np.float64)
    return int((variances > threshold).sum()), variances


def active_units_threshold(posterior):
    """Returns the variance above which a unit of a posterior counts as active.

    It is 1% of the variance that the prior has: 0.01 for a standard normal one, and
    `0.01 / Z` on the sphere, where a uniform unit vector's coordinates have `1 / Z`.
    """
    on_sphere = posterior.support == "sphere"
    return 0.01 / posterior.latent_dim if on_sphere else 0.01


class MarginalKL(typing.NamedTuple):
    """An estimate of `KL(q(z) || p(z))`.

    Attributes:
        value: Float, in nats.
        standard_error: Float, in nats; NaN for a single sentence.
        method: `"kl_minus_mi"` or `"sampled"`.
    """

    value: float
    standard_error: float
    method: str


def standard_error(values):
    """Computes the standard error of the mean of values `[N]`; NaN for a single one."""
    if len(values) < 2:
        return math.nan
    return float(np.std(values, ddof=1, dtype=np.float64) / math.sqrt(len(values)))


def marginal_kl(information, log_prior, kl=None):
    """Estimates `KL(q(z) || p(z))`, how far codes as a whole are from the prior.

    `E[KL(q(z|x) || p(z))]` is the mutual information plus this metric, so with an exact
    `kl` there are two estimates, of which the one of smaller standard error is taken:

    - `"sampled"`: the mean of `log q(z) - log p(z)`. The better one where codes carry
      information and fit the prior as a whole.
    - `"kl_minus_mi"`: `mean(kl) - information.value`. The better one where the
      posteriors are much alike and not the prior, as in a collapsed model, or so far
      apart that the information is at its cap.

    The mixture `q(z)` is taken as given in the standard error: to first order its own
    noise adds nothing.

    Args:
        information: `MutualInformation` with all sentences in the mixture.
        log_prior: Float array `[S, N]`, `log p(z)` of the same codes, in nats.
        kl: Float array `[N]`, the exact `KL(q(z|x) || p(z))` in nats, or `None` where
            it is not known.

    Returns:
        A `MarginalKL`.
    """
    difference = information.log_marginal - np.asarray(log_prior, np.float64)
    error = standard_error(np.mean(difference, axis=0))
    sampled = MarginalKL(float(np.mean(difference)), error, "sampled")
    if kl is None:
        return sampled
    kl = np.asarray(kl, np.float64)
    error = standard_error(kl - information.by_sentence)
    value = float(np.mean(kl)) - information.value
    exact = MarginalKL(value, error, "kl_minus_mi")
    return sampled if sampled.standard_error < error else exact


def information_given_context(model, groups, *, num_samples=1, seed=0):
    """Measures what codes say about sentences beyond what their context says.

    With one sentence of each context that cannot be told from the mutual information of
    sentence and context together with the code. With several, of which the mean of
    their posteriors is `q(z|c)`, the divergence from the prior has two parts:
    `E[KL(q(z|x,c) || p(z|c))] = I(x; z | c) + E[KL(q(z|c) || p(z|c))]`.

    Args:
        model: `VAE` with a condition, whose posterior and prior have densities.
        groups: Iterable of dicts, `"tokens"` int `[N, T]` among them, each of `N`
            sentences of one context, at least two. The information of a group is at
            most `log(N)`, and biased downwards where it is near that.
        num_samples: Positive int, codes of each sentence. Defaults to `1`.
        seed: Int. Defaults to `0`.

    Returns:
        Dict of floats in nats, means over groups: `kl`, `mi_given_context`,
        `mi_given_context_cap` and `marginal_kl_given_context`, the last estimated as
        `marginal_kl` does; and the standard errors of the second and the last,
        `..._se`, where there are two groups.

    Raises:
        ValueError: If a density is missing, there is no group, one has fewer than two
            sentences or more than one context.
    """
    sampler = PosteriorSampler(model, num_samples)
    if not (sampler.has_density and model.requires):
        raise ValueError(
            "`model` must have a condition, and posterior and prior with densities. "
            f"Received: requires={model.requires}, posterior="
            f"{type(model.posterior).__name__}, prior={type(model.prior).__name__}"
        )
    sample = graph_function(sampler.__call__)
    rows = []
    for index, group in enumerate(groups):
        inputs = keras.utils.unpack_x_y_sample_weight(group)[0]
        contexts = [np.asarray(inputs[key]) for key in model.requires]
        if len(inputs["tokens"]) < 2 or any((c != c[:1]).any() for c in contexts):
            raise ValueError(
                "Each of `groups` must hold at least two sentences, all of one "
                f"context. Received: group {index}, {len(inputs['tokens'])} sentences"
            )
        inputs = {key: tf.convert_to_tensor(value) for key, value in inputs.items()}
        drawn = sample(inputs, fold_in(as_seed(seed), index))
        information = mutual_information(
            sampler.posterior, drawn.encoded.params, drawn.z
        )
        kl = drawn.kl.numpy()
        exact = kl if sampler.kl_method == "closed_form" else None
        marginal = marginal_kl(information, drawn.log_prior, exact)
        rows.append((kl.mean(), information.value, information.cap, marginal.value))
    if not rows:
        raise ValueError("`groups` must hold at least one group. Received: none")
    names = ("kl", "mi_given_context", "mi_given_context_cap")
    names += ("marginal_kl_given_context",)
    columns = dict(zip(names, np.array(rows, np.float64).T, strict=True))
    result = {name: float(values.mean()) for name, values in columns.items()}
    if len(rows) > 1:
        for name in (names[1], names[3]):
            result[f"{name}_se"] = standard_error(columns[name])
    return result


def moment_kl(codes):
    """Estimates `KL(q(z) || N(0, I))` by the Gaussian of the codes' moments.

    Computes `0.5 * (trace(C) + m . m - Z - log det C)` with the mean `m` and the
    unbiased covariance `C` of the codes. Of all distributions of these moments the
    Gaussian is the nearest, so apart from the noise in the moments, of about
    `Z * (Z + 3) / (4 * N)` nats, this is a lower bound.

    Args:
        codes: Float array `[N, Z]`, `N > Z`, sampled from the aggregated posterior.

    Returns:
        Float, in nats; `inf` where the codes lie in a subspace.

    Raises:
        ValueError: If there are too few codes.

    Example:
    >>> round(moment_kl([[1.0], [3.0]]), 4)
    2.1534
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) <= codes.shape[1]:
        raise ValueError(
            "`codes` must be a matrix of more codes than dimensions, or their "
            f"covariance is singular. Received: shape={codes.shape}"
        )
    mean = codes.mean(axis=0)
    covariance = np.atleast_2d(np.cov(codes, rowvar=False))
    sign, log_det = np.linalg.slogdet(covariance)
    if sign <= 0:
        return float("inf")
    return float(0.5 * (np.trace(covariance) + mean @ mean - len(mean) - log_det))


def aggregated_mmd(codes, prior_codes, *, max_codes=500, seed=0):
    """Estimates the squared discrepancy of the aggregated posterior and the prior.

    Uses the inverse multiquadratic kernel summed over seven scales from 0.1 to 10.
    The estimate is unbiased, hence slightly negative at times.

    Args:
        codes: Float array `[N, Z]`, one sampled from each sentence's posterior.
        prior_codes: Float array `[M, Z]`, sampled from the prior.
        max_codes: Int of at least 2: of more codes, as many are chosen at random,
            since the cost is the square of their number. Defaults to `500`.
        seed: Int, of the choice. Defaults to `0`.

    Returns:
        Float between about 0 and 14.

    Raises:
        ValueError: If there are fewer than two codes of a kind.

    References:
        Tolstikhin et al. 2018, Wasserstein Auto-Encoders, algorithm 2; the scales are
        those of the Coupled-VAE's released code.
    """
    if min(len(codes), len(prior_codes), max_codes) < 2:
        raise ValueError(
            "`codes`, `prior_codes` and `max_codes` must be at least two. Received: "
            f"{len(codes)}, {len(prior_codes)} and {max_codes}"
        )
    random = np.random.default_rng(seed)

    def chosen(values):
        if len(values) <= max_codes:
            return values
        return np.asarray(values)[random.permutation(len(values))[:max_codes]]

    def kernel(x, y):
        return inverse_multiquadratic(x, y, scales=_SCALES)

    return float(mmd(chosen(codes), chosen(prior_codes), kernel))


def aggregate_metrics(model, batches, *, seed=0, progress=None):
    """Measures posteriors' scales, and how the codes as a whole fit the prior.

    Where the prior reads a context, codes and scales are relative to the mean and scale
    of the prior of their context, since those may be learned at will; samples of the
    priors of the same contexts stand for the prior.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        seed: Int. Defaults to `0`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            or `None`.

    Returns:
        Dict by keys of the group `"aggregate"` of `METRICS`. `moment_kl` is left out on
        the sphere, where there are not more sentences than dimensions and where a prior
        that reads a context has another form than a diagonal Gaussian.

    Raises:
        ValueError: If the model has no latent or there is no sentence.
    """
    if model.posterior is None:
        raise ValueError(
            "An aggregated posterior needs a latent. Use a `VAE`. Received: a "
            f"{type(model).__name__}"
        )
    posterior, prior = model.posterior, model.prior
    relative = model.prior_reads_context
    seed = as_seed(seed)

    @graph_function
    def encode(inputs):
        encoded = inference.encode(model, inputs, as_seed(model.seed))
        return encoded.params, encoded.prior_params

    scales, codes, prior_codes = [], [], []
    for index, batch in enumerate(batches):
        params, prior_params = encode(keras.utils.unpack_x_y_sample_weight(batch)[0])
        own = fold_in(seed, index)
        scale = posterior_scales(posterior, params, seed=fold_in(own, 0))
        z = posterior.sample(params, 1, fold_in(own, 1))[0][0].numpy()
        if relative:
            distribution = prior.distribution(prior_params)
            mean, prior_scale, _ = moments(prior, distribution, prior_params)
            of_prior = prior.sample(prior_params, 1, fold_in(own, 2))[0][0]
            prior_codes.append(((of_prior - mean) / prior_scale).numpy())
            scale, z = scale / prior_scale.numpy(), ((z - mean) / prior_scale).numpy()
        scales.append(scale)
        codes.append(z)
        if progress is not None:
            progress.update(index + 1)
    if not scales:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    scales, codes = np.concatenate(scales), np.concatenate(codes)
    result = {
        "posterior_scale": float(scales.mean()),
        "posterior_scale_below": float((scales < 0.1).mean()),
    }
    fits = not relative or is_diagonal_gaussian(distribution)
    if posterior.support == "real" and len(codes) > codes.shape[1] and fits:
        result["moment_kl"] = moment_kl(codes)
    if len(codes) > 1:
        if relative:
            prior_codes = np.concatenate(prior_codes)
        else:
            prior_codes = model.sample_prior(len(codes), fold_in(seed, -1)).numpy()
        result["aggregated_mmd"] = aggregated_mmd(codes, prior_codes)
    result["num_aggregated"] = len(codes)
    return result


def gradient_norms(model, batches, *, training=True, seed=0, max_batches=None):
    """Measures how the encoder is trained: gradients by its code `e`, per sentence.

    Computes `|d reconstruction / d e|`, `|d regulariser / d e|`, the same for the whole
    objective and, with a deterministic path, for its reconstruction, and the relative
    sensitivity of the decoder `|d memory / d e| / |memory|`. Small values of the first
    beside the second are the onset of posterior collapse.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        training: Whether dropout acts, as in the paper. Defaults to `True`.
        seed: Int, of latent noise and dropout. Defaults to `0`.
        max_batches: Positive int, the batches to read, or `None` for all.

    Returns:
        Dict by keys of the group `"gradients"` of `METRICS`.

    Raises:
        ValueError: If the model has no latent or there is no batch.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, table 5 and figure 2.
        The paper prints norms where the released code averages their squares: the
        keys that end in `_squared` are comparable with its table.
    """
    if model.posterior is None:
        raise ValueError(
            "Gradients by the encoder's code need an encoder. Use a `VAE`. Received: "
            f"a {type(model).__name__}"
        )
    norms_of = graph_function(
        lambda inputs, seed: _squared_norms(model, inputs, seed, training)
    )
    collected = []
    for index, batch in enumerate(itertools.islice(batches, max_batches)):
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        found = norms_of(inputs, fold_in(as_seed(seed), index))
        collected.append({name: value.numpy() for name, value in found.items()})
    if not collected:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    result = {}
    for name in collected[0]:
        squared = np.concatenate([found[name] for found in collected]).astype("float64")
        result[f"gradient_{name}"] = float(np.sqrt(squared).mean())
        result[f"gradient_{name}_squared"] = float(squared.mean())
    result["num_gradient_norms"] = len(squared)
    result["gradient_norms_dropout"] = training
    return result


def _squared_norms(model, inputs, seed, training):
    """Computes squared norms `[B]` of every gradient that the model has."""
    with tf.GradientTape(persistent=True) as tape:
        forward = model.forward(inputs, num_samples=1, seed=seed, training=training)
        sources, objective = {}, tf.constant(0.0)
        rest = tf.constant(0.0)
        num_sentences = tf.cast(tf.shape(forward.code)[0], tf.float32)
        for term in model.objective:
            costs = term.costs(forward)
            # A mean over sentences there, one sentence's share here.
            weighted = term.weighted(costs, None)[0] * num_sentences
            objective += weighted
            if "reconstruction" not in costs:
                rest += weighted
            if "coupled_reconstruction" in costs:
                sources["coupled_reconstruction"] = costs["coupled_reconstruction"]
        sources["reconstruction"] = -forward.log_likelihood[0]
        sources["regulariser"] = model.likelihood_metrics(forward).get("kl", rest)
        sources["objective"] = objective
        memory = forward.memory[0]
    norms = {}
    for name, source in sources.items():
        gradient = tape.gradient(source, forward.code)
        if gradient is not None:
            norms[name] = tf.reduce_sum(tf.cast(gradient, tf.float32) ** 2, -1)
    # One backward pass a unit of the memory, in a loop: vectorised, a sampler with a
    # loop of its own would not be differentiated.
    jacobian = tape.batch_jacobian(memory, forward.code, experimental_use_pfor=False)
    memory_size = tf.reduce_sum(tf.cast(memory, tf.float32) ** 2, -1)
    size = tf.reduce_sum(tf.cast(jacobian, tf.float32) ** 2, [1, 2])
    norms["memory"] = tf.math.divide_no_nan(size, memory_size)
    return norms
