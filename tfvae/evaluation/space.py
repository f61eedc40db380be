"""Figures of the latent space as a whole."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.figures import Figure
from tfvae.evaluation.latent_space import (
    aggregated_mmd,
    moment_kl,
    posterior_scales,
    summarize_scales,
)
from tfvae.seeds import as_seed, fold_in

SPACE_FIGURES = {
    "posterior_scale": Figure(
        "posterior scale",
        "",
        "Mean over sentences and dimensions of the posterior's standard deviation, "
        "exact for a Gaussian, else of 100 draws.",
    ),
    "posterior_scale_below": Figure(
        "  share below 0.1",
        "",
        "Share of sentences and dimensions whose standard deviation is below 0.1: near "
        "1 the posteriors have become points.",
    ),
    "moment_kl": Figure(
        "moment KL of aggregate posterior",
        "nats",
        "KL(N(m, C) || N(0, I)) in nats of the mean and covariance of codes, one drawn "
        "for each sentence: a lower bound of the aggregated posterior's divergence.",
    ),
    "aggregated_mmd": Figure(
        "MMD of aggregate posterior",
        "",
        "Squared maximum mean discrepancy of the same codes, at most 500 of them, from "
        "draws of the prior; inverse multiquadratic kernel, seven scales, unbiased.",
    ),
    "num_space": Figure("sentences of the space", "", "Sentences behind these."),
}


def space_figures(model, batches, *, seed=0, progress=None):
    """Measures posteriors' scales, and how the codes as a whole fit the prior.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        seed: Int. Defaults to `0`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            or `None`.

    Returns:
        Dict by the keys of `SPACE_FIGURES`. `moment_kl` is left out on the sphere and
        where there are not more sentences than dimensions.

    Raises:
        ValueError: If the model has no latent or there is no sentence.
    """
    if model.posterior is None:
        raise ValueError(
            "A latent space needs a latent. Use a `VAE`. Received: a "
            f"{type(model).__name__}"
        )
    posterior = model.posterior
    seed = as_seed(seed)
    encode = tf.function(model.encode, reduce_retracing=True)
    scales, codes = [], []
    for index, batch in enumerate(batches):
        params = encode(keras.utils.unpack_x_y_sample_weight(batch)[0])
        own = fold_in(seed, index)
        scales.append(posterior_scales(posterior, params, seed=fold_in(own, 0)))
        codes.append(posterior.sample(params, 1, fold_in(own, 1))[0][0].numpy())
        if progress is not None:
            progress.update(index + 1)
    if not scales:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    scales, codes = np.concatenate(scales), np.concatenate(codes)
    summary = summarize_scales(scales)
    result = {
        "posterior_scale": float(scales.mean()),
        "posterior_scale_below": summary.share_below,
    }
    if posterior.support == "real" and len(codes) > codes.shape[1]:
        result["moment_kl"] = moment_kl(codes)
    if len(codes) > 1:
        prior_codes = model.sample_prior(len(codes), fold_in(seed, -1)).numpy()
        result["aggregated_mmd"] = aggregated_mmd(codes, prior_codes)
    result["num_space"] = len(codes)
    return result
