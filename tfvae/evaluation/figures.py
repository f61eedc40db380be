"""What each figure of an evaluation means, and a table of them."""

import typing


class Figure(typing.NamedTuple):
    """The name, unit and definition of a figure."""

    name: str
    unit: str
    definition: str


FIGURES = {
    "reconstruction": Figure(
        "reconstruction",
        "nats/sentence",
        "-E_q[log p(x|z)] by sampling the posterior, nats a sentence, `</s>` included.",
    ),
    "kl": Figure(
        "KL",
        "nats/sentence",
        "KL(q(z|x) || p(z)), nats a sentence, computed as `kl_method` says.",
    ),
    "kl_method": Figure(
        "KL method",
        "",
        "How `kl` was computed: closed_form, or monte_carlo as the mean over samples "
        "of log q(z|x) - log p(z).",
    ),
    "nelbo": Figure(
        "negative ELBO",
        "nats/sentence",
        "Negative evidence lower bound, reconstruction + kl, nats a sentence; an upper "
        "bound of the negative log-likelihood.",
    ),
    "nelbo_se": Figure(
        "  its standard error",
        "nats/sentence",
        "Standard error of `nelbo` as a mean over sentences, nats a sentence.",
    ),
    "nll": Figure(
        "NLL",
        "nats/sentence",
        "Negative log-likelihood, nats a sentence, computed as `nll_method` says; "
        "unless exact, an upper bound in expectation that tightens with `num_samples`.",
    ),
    "nll_method": Figure(
        "  its method",
        "",
        "How `nll` was computed: exact, without a latent; importance_weighted with "
        "codes of the posterior, -log(mean p(z) p(x|z) / q(z|x)); or fitted_proposal, "
        "with codes of a mixture of the prior and a Gaussian fitted to other draws of "
        "the posterior in the place of q(z|x).",
    ),
    "proposal_prior_share": Figure(
        "  prior in its proposal",
        "",
        "Share of the prior in the mixture of a fitted_proposal.",
    ),
    "proposal_draws": Figure(
        "  draws fitted",
        "a sentence",
        "Posterior draws a sentence that the Gaussian of a fitted_proposal is fitted "
        "to; other draws than those weighted.",
    ),
    "nll_se": Figure(
        "  its standard error",
        "nats/sentence",
        "Standard error of `nll` as a mean over sentences, nats a sentence.",
    ),
    "perplexity": Figure(
        "perplexity (NLL)",
        "",
        "exp(total nats / total tokens) of `nll`; tokens are words and `</s>`.",
    ),
    "perplexity_nelbo": Figure(
        "perplexity (negative ELBO)",
        "",
        "exp(total nats / total tokens) of `nelbo`; tokens are words and `</s>`.",
    ),
    "mi_batch": Figure(
        "mutual information, batch",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)] in nats, q(z) the mean of the posteriors "
        "of `mi_batch_size` random sentences, the own one included; at most "
        "`mi_batch_cap`.",
    ),
    "mi_batch_size": Figure(
        "  its batch size", "sentences", "Sentences in each q(z) of `mi_batch`."
    ),
    "mi_batch_cap": Figure(
        "  its cap",
        "nats",
        "log(mi_batch_size) in nats, the largest `mi_batch` possible.",
    ),
    "mi": Figure(
        "mutual information",
        "nats",
        "I(x;z) = E[log q(z|x)] - E[log q(z)] in nats, q(z) the mean of the posteriors "
        "of all sentences, the own one included; at most `mi_cap`.",
    ),
    "mi_cap": Figure(
        "  its cap", "nats", "log(num_sentences) in nats, the largest `mi` possible."
    ),
    "mi_loo": Figure(
        "mutual information, leave-one-out",
        "nats",
        "I(x;z) in nats with q(z) the mean of the other posteriors in blocks of "
        "`mi_loo_samples` + 1 random sentences; without a cap and biased upwards, "
        "to be compared with figures of the same definition only.",
    ),
    "mi_loo_samples": Figure(
        "  its other posteriors",
        "sentences",
        "Other posteriors in each q(z) of `mi_loo`; the last block may hold fewer.",
    ),
    "marginal_kl": Figure(
        "KL of aggregate posterior",
        "nats",
        "KL(q(z) || p(z)) in nats by sampling, q(z) as in `mi`; kl = mi + marginal_kl "
        "in expectation.",
    ),
    "active_units": Figure(
        "active units",
        "dimensions",
        "Latent dimensions in which the posterior's mean E[z|x] has a variance over "
        "sentences above `active_units_threshold`.",
    ),
    "active_units_threshold": Figure(
        "  threshold",
        "",
        "Variance above which a unit is active: 0.01, or 0.01 / latent_dim for unit "
        "vectors, 1% of the variance of a standard normal or uniform prior.",
    ),
    "active_units_noise": Figure(
        "  noise of the means",
        "",
        "Where means are of 128 draws of a posterior, the variance that this adds, the "
        "largest of all dimensions; it was subtracted before the comparison.",
    ),
    "latent_dim": Figure(
        "  of latent dimensions", "dimensions", "Dimensions of the latent code."
    ),
    "critic_elbo": Figure(
        "critic's negative ELBO",
        "nats/sentence",
        "reconstruction + critic_kl, nats a sentence, which papers print as a negative "
        "ELBO; no bound of the likelihood, since critic_kl is below the KL.",
    ),
    "critic_kl": Figure(
        "critic's KL",
        "nats/sentence",
        "E_q[nu] - E_p[exp(nu)] + 1 of the trained critic nu(x, z), nats a sentence, "
        "from 128 draws or `num_samples` if more; in expectation at most "
        "KL(q(z|x) || p(z)), and lower by an unknown amount.",
    ),
    "critic_marginal_kl": Figure(
        "critic's KL of aggregate posterior",
        "nats",
        "The same of the trained critic nu(z), in nats; in expectation at most "
        "KL(q(z) || p(z)).",
    ),
    "critic_mi": Figure(
        "critics' mutual information",
        "nats",
        "critic_kl - critic_marginal_kl in nats; a difference of two lower bounds, "
        "itself no bound in either direction.",
    ),
    "nll_minus_log_copula": Figure(
        "NLL - log copula",
        "nats/sentence",
        "reconstruction + kl - log c of the objective's copula, nats a sentence, as "
        "the Copula-VAE's paper reports; no bound of the likelihood.",
    ),
    "num_sentences": Figure("sentences", "", "Sentences evaluated."),
    "num_tokens": Figure("tokens", "", "Their words and one `</s>` each."),
    "num_samples": Figure(
        "latent samples",
        "a sentence",
        "Latent samples a sentence behind `reconstruction`, `nll` and a Monte-Carlo "
        "`kl`, of the posterior except in a fitted_proposal's `nll`.",
    ),
    "seed": Figure("seed", "", "Seed of all sampling."),
}

DEFINITIONS = {key: figure.definition for key, figure in FIGURES.items()}


def format_table(result, figures=None):
    """Lays out the result of `evaluate` as text.

    Args:
        result: Dict from `evaluate`; keys without a definition are left out.
        figures: Dict from key to `Figure`, or `None` for those of `evaluate`.

    Returns:
        String of aligned lines, notes last.

    Example:
    >>> print(format_table({"nll": 101.5, "num_tokens": 82430}))
    NLL     101.500  nats/sentence
    tokens    82430
    """
    rows = [
        (figure.name, _text(result[key]), figure.unit)
        for key, figure in (figures or FIGURES).items()
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
