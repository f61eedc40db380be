"""Qian and Cheung 2019, and the InfoVAE that it compares with."""

from tfvae.objectives import KL, MMD, MutualInformation, Reconstruction
from tfvae.presets.registry import preset


@preset("Qian and Cheung 2019 (VAE-MINE)", {"ptb": "nelbo 100.91, kl 4.86 (mine)"})
def mine_vae(blueprint, *, alpha=1.0, cap=None):
    """A VAE rewarded for the mutual information that a critic estimates.

    Args:
        blueprint: `Blueprint`.
        alpha: Non-negative float. Defaults to `1.0`. The paper has 2 to 5, where
            the objective has no bound in principle: use `cap` with them.
        cap: Most nats of reward, or `None`.

    Returns:
        A `VAE`.
    """
    return blueprint.vae([Reconstruction(), KL(), MutualInformation(alpha, cap=cap)])


@preset("Zhao et al. 2019 (InfoVAE)", {"ptb": "nelbo 108.37, kl 0.02 (mine)"})
def info_vae(blueprint, *, alpha=0.0, mmd_weight=10.0):
    """A VAE that weighs the code's marginal apart from its information.

    Minimises `reconstruction + (1 - alpha) * KL + (alpha + mmd_weight - 1) * MMD`.

    Args:
        blueprint: `Blueprint`.
        alpha: Float of at most 1. Defaults to `0.0`; the papers that compare with
            InfoVAE do not say theirs.
        mmd_weight: Float of at least `1 - alpha`, the paper's lambda. Defaults to
            `10.0`.

    Returns:
        A `VAE`.
    """
    terms = [Reconstruction(), MMD(alpha + mmd_weight - 1.0)]
    if alpha < 1.0:
        terms.append(KL(blueprint.annealing(1.0 - alpha)))
    return blueprint.vae(terms)
