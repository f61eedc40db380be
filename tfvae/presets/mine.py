"""Qian and Cheung 2019, and the InfoVAE that it compares with."""

from tfvae.objectives import KL, MMD, MutualInformation, Reconstruction
from tfvae.presets.builder import as_builder


def mine_vae(
    setting,
    data=None,
    *,
    alpha=1.0,
    cap: float | None = None,
    product="batch",
):
    """A VAE rewarded for the mutual information that a critic estimates.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        alpha: Non-negative float. Defaults to `1.0`. The paper has 2 to 5, where
            the objective has no bound in principle: use `cap` with them.
        cap: Most nats of reward, or `None` for no cap.
        product: `"batch"`, as in the paper, or `"prior"`, whose codes stand in pairs
            that do not belong together; see `MutualInformation`. With the first the
            prior is a standard normal given a context too. Defaults to `"batch"`.

    Returns:
        A compiled `VAE`.

    References:
        Qian and Cheung 2019, Enhancing Variational Autoencoders with Mutual
        Information Neural Estimation for Text Generation (VAE-MINE); see
        `MutualInformation` for the deviations.
    """
    builder = as_builder(setting, data)
    terms = [Reconstruction(), KL(builder.kl_weight(1.0))]
    return builder.vae([*terms, MutualInformation(alpha, cap=cap, product=product)])


def info_vae(setting, data=None, *, alpha=0.0, mmd_weight=10.0):
    """A VAE that weighs the code's marginal apart from its information.

    Minimises `reconstruction + (1 - alpha) * KL + (alpha + mmd_weight - 1) * MMD`.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        alpha: Float of at most 1. Defaults to `0.0`; the papers that compare with
            InfoVAE do not say theirs.
        mmd_weight: Float of at least `1 - alpha`, the paper's lambda. Defaults to
            `10.0`.

    Returns:
        A compiled `VAE`.

    References:
        Zhao et al. 2019, InfoVAE: Balancing Learning and Inference in Variational
        Autoencoders.
    """
    builder = as_builder(setting, data)
    terms = [Reconstruction(), MMD(alpha + mmd_weight - 1.0)]
    if alpha < 1.0:
        terms.append(KL(builder.annealing(1.0 - alpha)))
    return builder.vae(terms)
