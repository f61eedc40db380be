"""What an evaluation leaves out or computes otherwise, in words."""

from tfvae.evaluation.density import ExactGaussian


def describe(scorer, num_samples):
    """Words what a reader of the figures should know of the model.

    Args:
        scorer: `SentenceScorer` of a model with a latent.
        num_samples: Int, latent samples that were asked for.

    Returns:
        List of sentences.
    """
    codes = scorer.codes
    posterior = type(codes.model.posterior).__name__
    notes = []
    if isinstance(codes.posterior, ExactGaussian):
        notes.append(
            f"The posterior `{posterior}` has a linear network, which makes it a "
            "Gaussian: `kl`, `nelbo`, `nll` and mutual information take its exact "
            "density."
        )
    if not codes.has_density:
        notes.append(_without_density(codes, posterior))
    elif not num_samples:
        notes.append("`nll` was left out, as asked; `nelbo` is looser.")
    if not codes.has_density and codes.nll_method and not num_samples:
        notes.append("`nll` was left out, as asked.")
    return notes


def _without_density(codes, posterior):
    if not codes.model.prior.has_density:
        prior = type(codes.model.prior).__name__
        return (
            f"The prior `{prior}` has no density, so likelihood, its bounds and KL are "
            "not defined; `reconstruction` is no bound of them."
        )
    if codes.nll_method is None:
        return (
            f"The posterior `{posterior}` is a single code and has no density, so "
            "bounds of the likelihood and KL are not defined; `reconstruction` is no "
            "bound of them."
        )
    return (
        f"The posterior `{posterior}` can be sampled and has no density: `kl`, "
        "`nelbo` and mutual information are left out, and `nll` takes a proposal "
        "fitted to its draws."
    )
