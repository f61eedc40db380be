"""Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder.

The paper's weights are relative to a reconstruction averaged over the tokens of a
sentence; here it is their sum, so the defaults are the paper's times 11, the tokens of
a sentence in its data.
"""

from tfvae.latents import Deterministic
from tfvae.objectives import KL, MMD, Reconstruction
from tfvae.presets.registry import preset

# The released code's constant of the kernel is 4 * Z * scale.
_BASE = 4.0


@preset("Bahuleyan et al. 2019 (WAE-D)")
def wae_deterministic(blueprint, *, mmd_weight=110.0):
    """A deterministic autoencoder whose codes are matched to the prior by MMD.

    Args:
        blueprint: `Blueprint`.
        mmd_weight: Non-negative float, 11 times the paper's. Defaults to `110.0`.

    Returns:
        A `VAE` with a `Deterministic` posterior.
    """
    latent = Deterministic(blueprint.setting.latent_dim)
    terms = [Reconstruction(), MMD(mmd_weight, base=_BASE)]
    return blueprint.vae(terms, posterior=latent)


@preset("Bahuleyan et al. 2019 (WAE-S)")
def wae_stochastic(blueprint, *, mmd_weight=110.0, kl_weight=0.11):
    """A WAE with a Gaussian encoder whose variances are kept from vanishing.

    Args:
        blueprint: `Blueprint`.
        mmd_weight: Non-negative float, 11 times the paper's. Defaults to `110.0`.
        kl_weight: Non-negative float, of the divergence from a unit variance, 11
            times the paper's. Defaults to `0.11`.

    Returns:
        A `VAE`.
    """
    spread = KL(kl_weight, against="unit_variance")
    return blueprint.vae([Reconstruction(), MMD(mmd_weight, base=_BASE), spread])
