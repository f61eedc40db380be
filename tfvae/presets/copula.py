"""Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder."""

from tfvae.latents import Gaussian, GaussianCopula
from tfvae.objectives import KL, CopulaLikelihood, Reconstruction
from tfvae.presets.builder import as_builder


def copula_vae(setting, data=None, *, copula_weight=0.4, copula_floor=0.5):
    """A Gaussian VAE with the Gaussian copula's likelihood as a reward.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        copula_weight: Non-negative float below 1, the paper's lambda, as a share of
            the KL's weight, with which it is annealed: where it is above the KL's,
            the reward of a small variance has no bound. Defaults to `0.4`, the
            paper's for PTB.
        copula_floor: Positive float, the least of the covariance's diagonal. Defaults
            to `0.5`, the released code's; the paper has none and may be singular.

    Returns:
        A compiled `VAE`.

    References:
        Wang and Wang 2019, section 4.2; see `CopulaLikelihood`. There lambda is a
        constant, which the released code may anneal by a schedule of its own.
    """
    builder = as_builder(setting, data)
    if builder.setting.target_kl is not None:
        raise ValueError(
            "`copula_vae` keeps its copula's weight below the KL's, which a target "
            "would move. Use `copula_prior_vae` or `full_covariance_vae`, or leave "
            f"`target_kl` out. Received: target_kl={builder.setting.target_kl}"
        )
    weight = builder.schedule(scale=copula_weight)
    copula = CopulaLikelihood(weight, floor=copula_floor)
    return builder.vae([Reconstruction(), KL(builder.annealing()), copula])


def copula_prior_vae(setting, data=None, *, copula_floor=0.5):
    """A VAE whose posterior and prior have Gaussian copulas.

    The prior's dimensions are standard normal and its correlations learned; the
    posterior has its own of both for each sentence. Codes are drawn with their
    correlations and the divergence is exact, so the objective is a bound.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        copula_floor: Positive float, the least of the diagonal of both covariances.
            Defaults to `0.5`, which allows correlations up to 2/3.

    Returns:
        A compiled `VAE`.

    References:
        Wang and Wang 2019, section 4.3; see `GaussianCopula`. The paper reports its
        likelihood from independent codes with the copula's density taken off, which
        is no bound: that is `copula_vae`.
    """
    builder = as_builder(setting, data)
    posterior = builder.posterior(GaussianCopula, floor=copula_floor)
    prior = GaussianCopula(
        builder.setting.latent_dim, copula_floor, standard_marginals=True
    )
    objective = [Reconstruction(), KL(builder.annealing())]
    return builder.vae(objective, posterior=posterior, prior=prior)


def full_covariance_vae(setting, data=None):
    """A VAE whose Gaussian posterior has a full covariance.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.

    Returns:
        A compiled `VAE`.

    References:
        Wang and Wang 2019, the non-diag-VAE. Its covariance is, in the released code,
        that of the copula, a diagonal plus a rank-one matrix, where here it is any; and
        the mean alone is batch normalised there, here mean and log variance where the
        setting is.
    """
    builder = as_builder(setting, data)
    posterior = builder.posterior(Gaussian, covariance="full")
    objective = [Reconstruction(), KL(builder.annealing())]
    return builder.vae(objective, posterior=posterior)
