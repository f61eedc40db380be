"""What the codes of sentences look like."""

import typing

import numpy as np
import tensorflow as tf

from tfvae.evaluation.drawing import CodeDrawer
from tfvae.evaluation.latent import active_units
from tfvae.evaluation.latent_space import (
    Projection,
    ScaleSummary,
    posterior_scales,
    principal_projection,
    summarize_scales,
)
from tfvae.latents import StandardNormal
from tfvae.models.encoding import tokenize
from tfvae.seeds import as_seed, fold_in

_ACTIVE = 0.01


class Observation(typing.NamedTuple):
    """The latent space as the sentences of a text fill it.

    Attributes:
        num_texts: Int, sentences encoded.
        variances: Float64 `[Z]`, the variance over sentences of the posterior's mean.
        threshold: Float, the variance above which a unit is active.
        num_active: Int.
        scales: `ScaleSummary` of the posteriors, or `None` if they are single codes.
        prior_scale: Float, the prior's scale in each dimension where it has one.
        projection: `Projection` of the posteriors' means, or `None` where the code has
            one dimension.
        labels: List of str, one a sentence, or `None`.
    """

    num_texts: int
    variances: np.ndarray
    threshold: float
    num_active: int
    scales: ScaleSummary | None
    prior_scale: float | None
    projection: Projection | None
    labels: list | None


def observe(model, texts, labels=None, *, max_length=None, seed=0, batch_size=100):
    """Encodes sentences and describes the posteriors.

    Args:
        model: `VAE` with a tokenizer.
        texts: List of at least two str.
        labels: List of str, one a sentence, or `None`.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int, of posterior draws where a mean or a scale needs them.
        batch_size: Positive int, sentences encoded at once.

    Returns:
        An `Observation`.

    Raises:
        ValueError: If there are fewer than two sentences, or one has no words.
    """
    if len(texts) < 2:
        raise ValueError(
            "`texts` must hold two sentences at least, since variances over them are "
            f"drawn. Received: {len(texts)}"
        )
    drawer = CodeDrawer(model, 1)
    # In a graph what is not asked for, such as the decoder, is not computed.
    encode = tf.function(
        lambda tokens, seed: _encoded(drawer, tokens, seed), reduce_retracing=True
    )
    parts = []
    for start in range(0, len(texts), batch_size):
        tokens = tokenize(model, texts[start : start + batch_size], max_length)
        batch_seed = fold_in(as_seed(seed), start)
        parts.append(
            tf.nest.map_structure(np.asarray, encode(tokens["tokens"], batch_seed))
        )
    found = {
        key: tf.nest.map_structure(
            lambda *arrays: np.concatenate(arrays), *(part[key] for part in parts)
        )
        for key in parts[0]
    }
    posterior = drawer.posterior
    means = found["mean"]
    on_sphere = posterior.support == "sphere"
    threshold = _ACTIVE / posterior.latent_dim if on_sphere else _ACTIVE
    num_active, variances = active_units(means, threshold, found.get("noise"))
    scales = posterior_scales(model.posterior, found["params"], seed=seed)
    has_axes = min(means.shape) > 1
    return Observation(
        num_texts=len(texts),
        variances=variances,
        threshold=threshold,
        num_active=num_active,
        scales=summarize_scales(scales) if scales.max() > 0 else None,
        prior_scale=1.0 if isinstance(model.prior, StandardNormal) else None,
        projection=principal_projection(means) if has_axes else None,
        labels=labels,
    )


def _encoded(drawer, tokens, seed):
    drawn = drawer({"tokens": tokens}, seed)
    found = {"mean": drawn["mean"], "params": drawn["params"]}
    if drawn["mean_noise"] is not None:
        found["noise"] = drawn["mean_noise"]
    return found
