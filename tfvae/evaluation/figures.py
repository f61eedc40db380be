"""What each figure of an evaluation means, and a table of them."""

import typing


class _Figure(typing.NamedTuple):
    name: str
    unit: str
    definition: str


_FIGURES = {
    "reconstruction": _Figure(
        "reconstruction",
        "nats/sentence",
        "-E_q[log p(x|z)] by sampling the posterior, nats a sentence, `</s>` included.",
    ),
    "kl": _Figure(
        "KL",
        "nats/sentence",
        "KL(q(z|x) || p(z)), nats a sentence, computed as `kl_method` says.",
    ),
    "kl_method": _Figure(
        "KL method",
        "",
        "How `kl` was computed: closed_form, or monte_carlo as the mean over samples "
        "of log q(z|x) - log p(z).",
    ),
    "nelbo": _Figure(
        "negative ELBO",
        "nats/sentence",
        "Negative evidence lower bound, reconstruction + kl, nats a sentence; an upper "
        "bound of the negative log-likelihood.",
    ),
    "nelbo_se": _Figure(
        "  its standard error",
        "nats/sentence",
        "Standard error of `nelbo` as a mean over sentences, nats a sentence.",
    ),
    "nll": _Figure(
        "NLL",
        "nats/sentence",
        "Negative log-likelihood, nats a sentence: exact without a latent, else "
        "importance weighted with `num_samples` posterior samples, which in "
        "expectation is an upper bound that tightens with their number.",
    ),
    "nll_se": _Figure(
        "  its standard error",
        "nats/sentence",
        "Standard error of `nll` as a mean over sentences, nats a sentence.",
    ),
    "perplexity": _Figure(
        "perplexity (NLL)",
        "",
        "exp(total nats / total tokens) of `nll`; tokens are words and `</s>`.",
    ),
    "perplexity_nelbo": _Figure(
        "perplexity (negative ELBO)",
        "",
        "exp(total nats / total tokens) of `nelbo`; tokens are words and `</s>`.",
    ),
    "mi_batch": _Figure(
        "mutual information, batch",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)] in nats, q(z) the mean of the posteriors "
        "of `mi_batch_size` random sentences, the own one included; at most "
        "`mi_batch_cap`.",
    ),
    "mi_batch_size": _Figure(
        "  its batch size", "sentences", "Sentences in each q(z) of `mi_batch`."
    ),
    "mi_batch_cap": _Figure(
        "  its cap",
        "nats",
        "log(mi_batch_size) in nats, the largest `mi_batch` possible.",
    ),
    "mi": _Figure(
        "mutual information",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)] in nats, q(z) the mean of the posteriors "
        "of all sentences, the own one included; at most `mi_cap`.",
    ),
    "mi_cap": _Figure(
        "  its cap", "nats", "log(num_sentences) in nats, the largest `mi` possible."
    ),
    "mi_loo": _Figure(
        "mutual information, leave-one-out",
        "nats",
        "I(x;z) in nats with q(z) the mean of the other posteriors in blocks of "
        "`mi_loo_samples` + 1 random sentences; without a cap and biased upwards, "
        "to be compared with figures of the same definition only.",
    ),
    "mi_loo_samples": _Figure(
        "  its other posteriors",
        "sentences",
        "Other posteriors in each q(z) of `mi_loo`; the last block may hold fewer.",
    ),
    "marginal_kl": _Figure(
        "KL of aggregate posterior",
        "nats",
        "KL(q(z) || p(z)) in nats by sampling, q(z) as in `mi`; kl = mi + marginal_kl "
        "in expectation.",
    ),
    "active_units": _Figure(
        "active units",
        "dimensions",
        "Latent dimensions in which the posterior's point (a Gaussian's mean) has a "
        "variance over sentences above 0.01.",
    ),
    "latent_dim": _Figure(
        "  of latent dimensions", "dimensions", "Dimensions of the latent code."
    ),
    "num_sentences": _Figure("sentences", "", "Sentences evaluated."),
    "num_tokens": _Figure("tokens", "", "Their words and one `</s>` each."),
    "num_samples": _Figure(
        "latent samples",
        "a sentence",
        "Posterior samples a sentence behind `reconstruction`, `nll` and a "
        "Monte-Carlo `kl`.",
    ),
    "seed": _Figure("seed", "", "Seed of all sampling."),
}

DEFINITIONS = {key: figure.definition for key, figure in _FIGURES.items()}


def format_table(result):
    """Lays out the result of `evaluate` as text.

    Args:
        result: Dict from `evaluate`; keys without a definition are left out.

    Returns:
        String of aligned lines, notes last.

    Example:
    >>> print(format_table({"nll": 101.5, "num_tokens": 82430}))
    NLL     101.500  nats/sentence
    tokens    82430
    """
    rows = [
        (figure.name, _text(result[key]), figure.unit)
        for key, figure in _FIGURES.items()
        if key in result
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit}".rstrip()
        for name, value, unit in rows
    ]
    lines += [f"Note: {note}" for note in result.get("notes", ())]
    return "\n".join(lines)


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)
