"""Figures that papers report by definitions of their own; none of them is a bound."""

import tensorflow as tf

from tfvae.objectives import CopulaLikelihood, DualKL

# The names of all of them.
REPORTED = (
    "critic_elbo",
    "critic_kl",
    "critic_marginal_kl",
    "critic_mi",
    "nll_minus_log_copula",
)


def has_critic(model):
    """Says whether an objective estimates a divergence by a critic."""
    return any(isinstance(term, DualKL) for term in model.objective)


def reported_figures(model, record):
    """Computes what the model's terms add to the usual figures.

    Args:
        model: `VAE`.
        record: `Forward` with `code`, `z`, `prior` and `seed` without dropout.

    Returns:
        Dict of float32 `[B]` in nats, where the objective holds the term:
        `critic_kl` and `critic_marginal_kl` of `DualKL`, `log_copula` of
        `CopulaLikelihood`.
    """
    figures = {}
    for term in model.objective:
        if isinstance(term, DualKL):
            name = "critic_kl" if term.joint else "critic_marginal_kl"
            figures.setdefault(name, term.cost(record))
        elif isinstance(term, CopulaLikelihood):
            figures.setdefault("log_copula", term.log_copula(record))
    return figures


def with_reconstruction(figures, reconstruction, kl):
    """Adds the sums that stand for a likelihood in the papers' tables.

    Args:
        figures: Dict from `reported_figures`.
        reconstruction: Float32 `[B]`, in nats.
        kl: Float32 `[B]`, in nats, or `None`.

    Returns:
        Dict of float32 `[B]` in nats, `log_copula` replaced by
        `nll_minus_log_copula`, with `critic_elbo` and `critic_mi` where defined.
    """
    figures = {name: tf.convert_to_tensor(value) for name, value in figures.items()}
    log_copula = figures.pop("log_copula", None)
    if log_copula is not None and kl is not None:
        figures["nll_minus_log_copula"] = reconstruction + kl - log_copula
    if "critic_kl" in figures:
        figures["critic_elbo"] = reconstruction + figures["critic_kl"]
        if "critic_marginal_kl" in figures:
            difference = figures["critic_kl"] - figures["critic_marginal_kl"]
            figures["critic_mi"] = difference
    return figures
