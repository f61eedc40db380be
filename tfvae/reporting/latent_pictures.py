"""Pictures of a latent space."""

import collections

import numpy as np

from tfvae.reporting.svg import INK, MARKERS, MUTED, SERIES, Picture, draw

_OTHERS = "(others)"
# Below it a variance is drawn as this much; the scale is logarithmic.
_LEAST_VARIANCE = 1e-6


def latent_pictures(observation, name):
    """Draws what there is of an observation.

    Args:
        observation: `Observation`.
        name: Str, different for each run of a page.

    Returns:
        List of `Picture`.
    """
    pictures = [_units(observation, name)]
    if observation.scales is not None:
        pictures.append(_scales(observation, name))
    if observation.projection is not None:
        pictures.append(_map(observation, name))
    return pictures


def _units(observation, name):
    """Draws the variance of each latent dimension, the largest first."""
    variances = np.sort(observation.variances)[::-1]
    heights = np.maximum(variances, _LEAST_VARIANCE)
    places = np.arange(1, len(heights) + 1)
    active = observation.num_active
    threshold = observation.threshold

    def paint(axes):
        axes.bar(places[:active], heights[:active], color=SERIES[0], label="active")
        axes.bar(places[active:], heights[active:], color=MUTED, label="inactive")
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
        f"Variance of the posterior's mean over {observation.num_texts:,} sentences; "
        f"{active} of {len(variances)} dimensions are active."
    )
    return Picture("Active units", draw(f"{name}-units", paint), alt, caption)


def _scales(observation, name):
    """Draws the histogram of the posteriors' scales."""
    found, prior = observation.scales, observation.prior_scale

    def paint(axes):
        axes.stairs(found.counts, found.edges, fill=True, color=SERIES[0])
        if prior is not None:
            axes.axvline(prior, color=INK, linestyle="--", linewidth=1.5)
        axes.set_xlim(left=0.0)
        axes.set_xlabel("posterior scale")
        axes.set_ylabel("sentences × dimensions")
        axes.yaxis.get_major_locator().set_params(nbins=5)
        axes.grid(False, axis="x")

    average = found.mean.mean()
    alt = (
        f"Scales reach from 0 to {found.edges[-1]:.3g} with a mean of {average:.3g}; "
        f"{found.share_below:.0%} are below 0.1."
    )
    caption = f"Mean {average:.3g}; {found.share_below:.0%} below 0.1."
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


def _map(observation, name):
    """Draws the means along their two principal axes."""
    coordinates = observation.projection.coordinates
    labels = observation.labels or [""] * len(coordinates)
    groups = label_groups(labels)
    named = dict.fromkeys(groups[: len(SERIES)])
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
        for which, share in zip("xy", observation.projection.explained, strict=True):
            ordinal = {"x": "first", "y": "second"}[which]
            getattr(axes, f"set_{which}label")(f"{ordinal} axis ({share:.0%})")

    shares = observation.projection.explained
    counts = collections.Counter(rows.tolist())
    alt = (
        f"{len(coordinates)} codes along two axes that hold {shares.sum():.0%} of "
        "their variance."
    )
    caption = (
        f"Posterior means of {len(coordinates):,} sentences along the two axes of "
        f"largest variance, {shares.sum():.0%} of it."
    )
    if observation.labels is not None:
        words = ", ".join(f"{group} {counts[group]}" for group in groups)
        alt += f" Sentences by label: {words}."
    svg = draw(f"{name}-map", paint, height=330)
    return Picture("Latent map", svg, alt, caption)
