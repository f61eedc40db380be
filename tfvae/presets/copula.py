"""Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder."""

from tfvae.latents import Gaussian
from tfvae.objectives import KL, CopulaLikelihood, Reconstruction
from tfvae.presets.registry import preset


@preset(
    "Wang and Wang 2019",
    {"ptb": "nelbo - log c 92.2, kl 7.3 (copula); no bound, see CopulaLikelihood"},
)
def copula_vae(blueprint, *, copula_weight=0.4, copula_floor=0.5):
    """A Gaussian VAE with the Gaussian copula's likelihood as a reward.

    Args:
        blueprint: `Blueprint`.
        copula_weight: Non-negative float below 1, the paper's lambda, as a share of
            the KL's weight, with which it is annealed: where it is above the KL's,
            the reward of a small variance has no bound. Defaults to `0.4`, the
            paper's for PTB.
        copula_floor: Positive float, the least of the covariance's diagonal. Defaults
            to `0.5`, the released code's; the paper has none and may be singular.

    Returns:
        A `VAE`.
    """
    weight = blueprint.annealing(share=copula_weight)
    copula = CopulaLikelihood(weight, floor=copula_floor)
    return blueprint.vae([Reconstruction(), KL(blueprint.annealing()), copula])


@preset("Wang and Wang 2019 (non-diag-VAE)", {"ptb": "nelbo 105.1, kl 4.9 (copula)"})
def full_covariance_vae(blueprint):
    """A VAE whose Gaussian posterior has a full covariance.

    Args:
        blueprint: `Blueprint`.

    Returns:
        A `VAE`.
    """
    setting = blueprint.setting
    posterior = Gaussian(
        setting.latent_dim,
        covariance="full",
        batch_normalization=setting.batch_normalization,
    )
    objective = [Reconstruction(), KL(blueprint.annealing())]
    return blueprint.vae(objective, posterior=posterior)
