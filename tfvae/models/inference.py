"""Encode, sample, decode, compare: the steps that every use of a model is made of.

Training, evaluation and serving differ in how many codes they draw, from which seeds
and in what chunks they decode them; what each step does is said here once.
"""

import math
import typing

import tensorflow as tf

from tfvae.models.forward import Forward
from tfvae.objectives.kl import kl_divergence
from tfvae.seeds import Stream, as_seed, fold_in, seeds_of_rows


class Encoded(typing.NamedTuple):
    """What is known of a batch before a code is sampled.

    Attributes:
        inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
        code: Float `[B, C]`, the encoder's; `None` without a latent.
        context: Float `[B, K]`, or `None` without a condition.
        params: Dict of the posterior's parameters, or `None` without a latent.
        prior_params: Dict of the prior's, or `None`.
    """

    inputs: dict
    code: typing.Any
    context: typing.Any
    params: typing.Any
    prior_params: typing.Any


def encode(model, inputs, seed, training=False, refine=True):
    """Computes the parameters of a batch's posteriors and priors.

    Args:
        model: `VAE` or `LanguageModel`.
        inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
        seed: Int tensor `[2]` of the pass.
        training: Whether dropout acts. Defaults to `False`.
        refine: Whether the model's refiner improves the parameters, if it has one.
            Defaults to `True`.

    Returns:
        An `Encoded`.

    Raises:
        ValueError: If `inputs` holds what no component of the model reads.
    """
    _check_inputs(model, inputs)
    context = encode_condition(model, inputs, seed, training)
    if model.posterior is None:
        return Encoded(inputs, None, context, None, None)
    read = inputs["tokens" if model.encoder_reads == "text" else "context"]
    code, params = _code_and_params(model, read, context, seed, training)
    prior_params = model.prior_params(tf.shape(read)[0], context, training)
    encoded = Encoded(inputs, code, context, params, prior_params)
    if model.refiner is None or not refine:
        return encoded
    return encoded._replace(params=_refined(model, encoded, seed, training))


def encode_condition(model, inputs, seed, training=False):
    """Computes what a model knows beside the sentence.

    Args:
        model: `VAE` or `LanguageModel`.
        inputs: Dict of tensors; the sentence itself is not read.
        seed: Int tensor `[2]` of the pass.
        training: Whether dropout acts. Defaults to `False`.

    Returns:
        Float tensor `[B, K]`, or `None` without a condition.
    """
    if model.condition is None:
        return None
    return model.condition(
        {key: inputs[key] for key in model.condition.requires},
        seed=fold_in(seed, Stream.CONDITION),
        training=training,
    )


def sample_posterior(model, params, num_samples, seed):
    """Samples codes from posteriors, with their densities.

    Args:
        model: `VAE`.
        params: Dict of the posterior's parameters `[B, ...]`.
        num_samples: Positive int `S`.
        seed: Int tensor `[2]` of the pass, or `[B, 2]` for a seed of each row.

    Returns:
        Tuple of `z`, float32 `[S, B, Z]`, and `log_q`, float32 `[S, B]` in nats, or
        `None` where the posterior has no density.
    """
    return model.posterior.sample(params, num_samples, fold_in(seed, Stream.LATENT))


def response_memory(model, inputs, num_samples, seed):
    """Samples what the decoder reads to answer contexts.

    Codes are of the prior given the context; of the posterior where the model's encoder
    reads the context in place of the sentence.

    Args:
        model: `VAE` or `LanguageModel` with a condition, or such an encoder.
        inputs: Dict of tensors, those of `model.requires` among them; a sentence is not
            read.
        num_samples: Positive int `S`.
        seed: Int tensor `[2]`.

    Returns:
        Float tensor `[S, B, U]`.
    """
    context = encode_condition(model, inputs, seed)
    if model.posterior is None:
        return tf.repeat(context[None], num_samples, axis=0)
    latent, params = response_params(model, inputs, context)
    z = latent.sample(params, num_samples, fold_in(seed, Stream.LATENT))[0]
    return model.memory(z, context)


def response_params(model, inputs, context):
    """Computes what codes are sampled from to answer contexts.

    Args:
        model: `VAE` that reads more than sentences.
        inputs: Dict of tensors, those of `model.requires` among them.
        context: Float tensor `[B, K]`, or `None` without a condition.

    Returns:
        Tuple of a `Latent`, prior or posterior as in `response_memory`, and its
        parameters.
    """
    num_rows = tf.shape(inputs[model.requires[0]])[0]
    if model.encoder_reads != "context":
        return model.prior, model.prior_params(num_rows, context)
    return model.posterior, _code_and_params(model, inputs["context"], context)[1]


def decode(model, tokens, z, context=None, seed=None, training=False):
    """Scores sentences given codes.

    Args:
        model: `VAE` or `LanguageModel`.
        tokens: Int tensor `[B, T]`.
        z: Float tensor `[S, B, Z]`; `None` for a model without a latent, which scores
            them once.
        context: Float tensor `[B, K]`, or `None`.
        seed: Int tensor `[2]` of the pass, needed in training only.
        training: Whether dropout acts. Defaults to `False`.

    Returns:
        Tuple of the memory, float `[S, B, U]`, and `log p(x|z)`, float32 `[S, B]` in
        nats.
    """
    if z is not None:
        memory = model.memory(z, context)
    elif context is not None:
        memory = context[None]
    else:
        memory = tf.zeros([1, tf.shape(tokens)[0], 0])
    log_likelihood = model.decoder.log_prob(
        tokens, memory, seed=fold_in(seed, Stream.DECODER), training=training
    )
    return memory, log_likelihood


def record(model, encoded, z, log_q, memory, log_likelihood, seed, training=False):
    """Assembles the record of a pass from what its steps gave.

    Args:
        model: `VAE` or `LanguageModel`.
        encoded: `Encoded`.
        z: Float32 tensor `[S, B, Z]`, or `None`.
        log_q: Float32 tensor `[S, B]`, or `None`.
        memory: Float tensor `[S, B, U]`, or `None` where it is not kept.
        log_likelihood: Float32 tensor `[S, B]`, or `None` before decoding.
        seed: Int tensor `[2]` of the pass.
        training: Whether dropout acted. Defaults to `False`.

    Returns:
        A `Forward`.
    """
    posterior = prior = None
    if model.posterior is not None:
        posterior = model.posterior.distribution(encoded.params)
        prior = model.prior.distribution(encoded.prior_params)
    return Forward(
        inputs=encoded.inputs,
        code=encoded.code,
        context=encoded.context,
        posterior=posterior,
        prior=prior,
        params=encoded.params,
        z=z,
        log_q=log_q,
        memory=memory,
        log_likelihood=log_likelihood,
        seed=fold_in(seed, Stream.TERMS),
        training=training,
    )


def likelihoods(model, forward):
    """Computes the costs of a sentence that a record defines.

    Args:
        model: The model of the record.
        forward: A `Forward` whose `log_likelihood` is of samples of the posterior.

    Returns:
        Dict of float32 `[B]` in nats: `nll` alone, which is exact, without a latent;
        else `reconstruction` and, where posterior and prior have densities, `kl`,
        `nelbo` and the importance-weighted `nll` over the record's samples. Where the
        posterior reads the context in place of the sentence, `nll` is of the plain mean
        over the samples, and there is no bound.
    """
    if forward.posterior is None:
        return {"nll": -forward.log_likelihood[0]}
    reconstruction = -tf.reduce_mean(forward.log_likelihood, axis=0)
    if model.encoder_reads == "context":
        no_ratio = tf.zeros_like(forward.log_likelihood)
        nll = importance_weighted(forward.log_likelihood, no_ratio)
        return {"reconstruction": reconstruction, "nll": nll}
    if not model.has_density:
        return {"reconstruction": reconstruction}
    kl = kl_divergence(forward)
    log_ratio = forward.prior.log_prob(forward.z) - forward.log_q
    return {
        "reconstruction": reconstruction,
        "kl": kl,
        "nelbo": reconstruction + kl,
        "nll": importance_weighted(forward.log_likelihood, log_ratio),
    }


def importance_weighted(log_likelihood, log_ratio):
    """Computes `-log(mean over samples of p(x|z) * p(z) / r(z|x))`.

    Args:
        log_likelihood: Float32 tensor `[S, B]`, `log p(x|z)` in nats.
        log_ratio: Float32 tensor `[S, B]`, `log p(z) - log r(z|x)` with `r` what the
            codes were sampled from.

    Returns:
        Float32 tensor `[B]`, in nats.
    """
    log_count = math.log(log_likelihood.shape[0])
    return log_count - tf.reduce_logsumexp(log_likelihood + log_ratio, axis=0)


def _code_and_params(model, read, context, seed=None, training=False):
    """Computes the encoder's code of what it reads, and the posterior's parameters."""
    code = model.encoder(read, seed=fold_in(seed, Stream.ENCODER), training=training)
    if context is not None and "posterior" in model.context_to:
        code = tf.concat([code, tf.cast(context, code.dtype)], -1)
    return code, model.posterior(code, training=training)


def _refined(model, encoded, seed, training):
    """Improves the posterior's parameters by the model's refiner.

    In training each step of training has noise of its own. Else the noise is decided
    by the sentence and the model's seed alone, so that a posterior is a function of
    the sentence: the same in every batch and pass.
    """
    encoded = encoded._replace(code=tf.stop_gradient(encoded.code))
    step = model.step.value if training else None
    if not training:
        seed = as_seed(model.seed)
    tokens = encoded.inputs["tokens"]

    def cost(params, seed):
        noise = seed if training else seeds_of_rows(tokens, seed)
        z, log_q = sample_posterior(model, params, 1, noise)
        decoded = decode(model, tokens, z, encoded.context, seed, training)
        trial = encoded._replace(params=params)
        forward = record(model, trial, z, log_q, *decoded, seed, training)
        return model.loss_and_costs(forward, step)[0]

    return model.refiner.refine(cost, encoded.params, fold_in(seed, Stream.REFINEMENT))


def _check_inputs(model, inputs):
    """Refuses inputs that nothing reads, or that lack what something reads."""
    read = {"tokens", *model.requires}
    if set(inputs) != read:
        raise ValueError(
            f"`inputs` of this `{type(model).__name__}` must hold "
            f"{', '.join(map(repr, sorted(read)))} and nothing that no component "
            "reads. Leave the others out of the batches, or build the model with a "
            f"`condition` that reads them. Received: {sorted(inputs)}"
        )
