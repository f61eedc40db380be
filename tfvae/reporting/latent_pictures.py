"""The latent space of a run, summarized and drawn."""

import collections
import typing

import numpy as np
import tensorflow as tf

from tfvae.evaluation.latent import active_units, active_units_threshold
from tfvae.evaluation.posterior import PosteriorSampler, posterior_scales
from tfvae.latents import StandardNormal
from tfvae.models.inputs import tokenize
from tfvae.ops.runtime import graph_function
from tfvae.reporting.plots import INK, MARKERS, MUTED, SERIES, Picture, draw
from tfvae.seeds import as_seed, fold_in

_OTHERS = "(others)"
# Below it a variance is drawn as this much; the scale is logarithmic.
_LEAST_VARIANCE = 1e-6


class Projection(typing.NamedTuple):
    """Codes seen along their principal axes.

    Attributes:
        coordinates: Float64 `[N, num_axes]`.
        axes: Float64 `[num_axes, Z]`, unit vectors whose largest entry is positive.
        explained: Float64 `[num_axes]`, each axis's share of the total variance.
    """

    coordinates: np.ndarray
    axes: np.ndarray
    explained: np.ndarray


class LatentSummary(typing.NamedTuple):
    """The latent space of a model as the sentences of a text occupy it.

    Attributes:
        num_texts: Int, sentences encoded.
        variances: Float64 `[Z]`, the variance over sentences of the posterior's mean.
        threshold: Float, the variance above which a unit is active.
        num_active: Int.
        scales: Float64 `[N, Z]`, the posteriors' standard deviations, or `None` if they
            are single codes.
        prior_scale: Float, the prior's scale in each dimension where it has one.
        projection: `Projection` of the posteriors' means, or `None` where the code has
            one dimension.
        labels: List of str, one a sentence, or `None`.
    """

    num_texts: int
    variances: np.ndarray
    threshold: float
    num_active: int
    scales: np.ndarray | None
    prior_scale: float | None
    projection: Projection | None
    labels: list | None


def summarize_latent(
    model, texts, labels=None, *, max_length=None, seed=0, batch_size=100
):
    """Encodes sentences and summarizes their posteriors.

    Args:
        model: `VAE` with a tokenizer.
        texts: List of at least two str.
        labels: List of str, one a sentence, or `None`.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int, of posterior samples where a mean or a scale needs them.
        batch_size: Positive int, sentences encoded at once.

    Returns:
        A `LatentSummary`.

    Raises:
        ValueError: If there are fewer than two sentences, or one has no words.
    """
    if len(texts) < 2:
        raise ValueError(
            "`texts` must hold two sentences at least, since their variances are "
            f"computed. Received: {len(texts)}"
        )
    sampler = PosteriorSampler(model, 1)

    @graph_function
    def encode(tokens, seed):
        samples = sampler({"tokens": tokens}, seed)
        noise = () if samples.mean_noise is None else (samples.mean_noise,)
        return samples.mean, samples.encoded.params, noise

    batches = []
    for start in range(0, len(texts), batch_size):
        tokens = tokenize(model, texts[start : start + batch_size], max_length)
        batches.append(encode(tokens["tokens"], fold_in(as_seed(seed), start)))
    means, params, noise = tf.nest.map_structure(
        lambda *parts: np.concatenate(parts), *batches
    )
    threshold = active_units_threshold(sampler.posterior)
    num_active, variances = active_units(means, threshold, *noise)
    scales = posterior_scales(model.posterior, params, seed=seed)
    has_axes = min(means.shape) > 1
    return LatentSummary(
        num_texts=len(texts),
        variances=variances,
        threshold=threshold,
        num_active=num_active,
        scales=scales if scales.max() > 0 else None,
        prior_scale=1.0 if isinstance(model.prior, StandardNormal) else None,
        projection=principal_projection(means) if has_axes else None,
        labels=labels,
    )


def principal_projection(codes, num_axes=2):
    """Projects codes onto the axes along which they vary most.

    Args:
        codes: Float array `[N, Z]`.
        num_axes: Positive int, at most `min(N, Z)`. Defaults to `2`.

    Returns:
        A `Projection`.

    Raises:
        ValueError: If there are fewer axes than asked for.

    Example:
    >>> found = principal_projection([[0.0, 0.0], [0.0, 4.0], [1.0, 2.0]], 1)
    >>> found.coordinates[:, 0].tolist(), found.explained.round(3).tolist()
    ([-2.0, 2.0, 0.0], [0.923])
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or not 1 <= num_axes <= min(codes.shape):
        raise ValueError(
            "`num_axes` must be between 1 and the smaller side of `codes`. Received: "
            f"num_axes={num_axes}, shape={codes.shape}"
        )
    centred = codes - codes.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:num_axes]
    largest = np.abs(axes).argmax(axis=1)
    # The decomposition leaves signs open.
    axes *= np.sign(axes[np.arange(num_axes), largest])[:, None]
    variances = singular**2
    explained = variances[:num_axes] / (variances.sum() or 1.0)
    return Projection(centred @ axes.T, axes, explained)


def latent_pictures(summary, name):
    """Draws the pictures of a latent space.

    Args:
        summary: `LatentSummary`.
        name: Str, different for each run of a page.

    Returns:
        List of `Picture`.
    """
    pictures = [_units(summary, name)]
    if summary.scales is not None:
        pictures.append(_scales(summary, name))
    if summary.projection is not None:
        pictures.append(_map(summary, name))
    return pictures


def _units(summary, name):
    """Draws the variance of each latent dimension, the largest first."""
    variances = np.sort(summary.variances)[::-1]
    heights = np.maximum(variances, _LEAST_VARIANCE)
    places = np.arange(1, len(heights) + 1)
    active = summary.num_active
    threshold = summary.threshold

    def paint(axes):
        axes.bar(places[:active], heights[:active], color=SERIES[0])
        axes.bar(places[active:], heights[active:], color=MUTED)
        axes.axhline(threshold, color=INK, linestyle="--", linewidth=1.5)
        axes.set_yscale("log")
        bottom = max(min(heights.min(), threshold) / 3, _LEAST_VARIANCE / 3)
        axes.set_ylim(bottom, max(heights.max(), threshold) * 3)
        axes.annotate(
            f"threshold {threshold:.2g}",
            (1, threshold),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
        )
        axes.set_xlabel("latent dimension, by variance")
        axes.set_ylabel("variance of the mean")
        axes.set_xlim(0.3, len(heights) + 0.7)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(False, axis="x")

    alt = (
        f"{active} of {len(variances)} dimensions are above the threshold "
        f"{threshold:.2g}; the largest variance is {variances[0]:.3g}, the smallest "
        f"{variances[-1]:.2g}."
    )
    caption = (
        f"Variance of the posterior's mean over {summary.num_texts:,} sentences; "
        f"{active} of {len(variances)} dimensions are active."
    )
    return Picture("Active units", draw(f"{name}-units", paint), alt, caption)


def _scales(summary, name):
    """Draws the histogram of the posteriors' scales, as Bahuleyan et al. 2019 do.

    Where most are near 0 the posteriors have become points: sentences are written from
    codes that samples of the prior never come near.
    """
    scales, prior = summary.scales, summary.prior_scale
    counts, edges = np.histogram(scales, bins=20, range=(0.0, scales.max()))

    def paint(axes):
        axes.stairs(counts, edges, fill=True, color=SERIES[0])
        if prior is not None:
            axes.axvline(prior, color=INK, linestyle="--", linewidth=1.5)
        axes.set_xlim(left=0.0)
        axes.set_xlabel("posterior scale")
        axes.set_ylabel("sentences × dimensions")
        axes.yaxis.get_major_locator().set_params(nbins=5)
        axes.grid(False, axis="x")

    average, share_below = scales.mean(), (scales < 0.1).mean()
    alt = (
        f"Scales reach from 0 to {edges[-1]:.3g} with a mean of {average:.3g}; "
        f"{share_below:.0%} are below 0.1."
    )
    caption = f"Mean {average:.3g}; {share_below:.0%} below 0.1."
    if prior is not None:
        caption += " Dashed: the prior's scale."
    svg = draw(f"{name}-scales", paint)
    return Picture("Posterior scales", svg, alt, caption)


def label_groups(labels):
    """Chooses the labels that get a colour.

    Args:
        labels: List of str.

    Returns:
        List of at most as many labels as there are colours, by number of sentences;
        `"(others)"` last where there are more.
    """
    common = [label for label, _ in collections.Counter(labels).most_common()]
    if len(common) <= len(SERIES):
        return sorted(common)
    return [*sorted(common[: len(SERIES)]), _OTHERS]


def _map(summary, name):
    """Draws the means along their two principal axes."""
    coordinates = summary.projection.coordinates
    shares = summary.projection.explained
    labels = summary.labels or [""] * len(coordinates)
    groups = label_groups(labels)
    named = groups[: len(SERIES)]
    rows = np.array([label if label in named else _OTHERS for label in labels])

    def paint(axes):
        for index in reversed(range(len(groups))):
            at = coordinates[rows == groups[index]]
            is_named = index < len(SERIES)
            axes.scatter(
                *at.T,
                s=14,
                marker=MARKERS[index % len(MARKERS)] if is_named else ".",
                color=SERIES[index] if is_named else MUTED,
                alpha=0.6,
                linewidths=0,
            )
        axes.set_aspect("equal", "datalim")
        axes.set_xlabel(f"first axis ({shares[0]:.0%})")
        axes.set_ylabel(f"second axis ({shares[1]:.0%})")

    alt = (
        f"{len(coordinates)} codes along two axes that hold {shares.sum():.0%} of "
        "their variance."
    )
    caption = (
        f"Posterior means of {len(coordinates):,} sentences along the two axes of "
        f"largest variance, {shares.sum():.0%} of it."
    )
    if summary.labels is not None:
        counts = collections.Counter(rows.tolist())
        words = ", ".join(f"{group} {counts[group]}" for group in groups)
        alt += f" Sentences by label: {words}."
    svg = draw(f"{name}-map", paint, height=330)
    return Picture("Latent map", svg, alt, caption)
