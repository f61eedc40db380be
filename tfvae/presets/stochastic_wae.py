"""Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder.

The paper's weights are relative to a reconstruction averaged over the tokens of a
sentence, 11 in its data; here it is their sum, so its regime is 11 times its numbers.
"""

from tfvae.latents import Deterministic
from tfvae.objectives import MMD, Linear, Reconstruction, UnitVarianceKL
from tfvae.presets.builder import as_builder

# The released code's constant of the kernel is 4 * Z * scale.
_BASE = 4.0


def wae_deterministic(setting, data=None, *, mmd_weight=110.0):
    """A deterministic autoencoder whose codes are matched to the prior by MMD.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        mmd_weight: Non-negative float, 11 times the paper's. Defaults to `110.0`.

    Returns:
        A compiled `VAE` with a `Deterministic` posterior.

    References:
        Bahuleyan et al. 2019, WAE-D.
    """
    builder = as_builder(setting, data)
    latent = builder.posterior(Deterministic)
    terms = [Reconstruction(), MMD(mmd_weight, base=_BASE)]
    return builder.vae(terms, posterior=latent)


def wae_stochastic(
    setting,
    data=None,
    *,
    mmd_weight=10.0,
    kl_weight=0.01,
    initial_scale=1.0,
    warmup=0.5,
):
    """A WAE with a Gaussian encoder whose variances are kept from vanishing.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        mmd_weight: Non-negative float. Defaults to `10.0`. The paper's regime is
            `110.0`, 11 times its 10, with `kl_weight=0.11` and `warmup=0`; it collapses
            from the usual start, where codes that are all noise already satisfy the
            discrepancy.
        kl_weight: Non-negative float, of the divergence from a unit variance. Defaults
            to `0.01`; the paper's regime is `0.11`.
        initial_scale: Positive float, the posterior's scale at the start; see
            `Gaussian`. Defaults to `1.0`.
        warmup: Float in `[0, 1)`, the share of the run's steps in which the
            discrepancy's weight rises from 0, so that training starts from an
            autoencoder. Defaults to `0.5`; the paper has none. From a start at the full
            weight a decoder that reads its own words learns to do without the codes
            before they say anything.

    Returns:
        A compiled `VAE`.

    References:
        Bahuleyan et al. 2019, WAE-S. Its weights of 10 and 0.01 stand beside a
        reconstruction that is a mean over tokens; here they are the same numbers
        beside a sum, so that reconstruction counts 11 times as much.
    """
    builder = as_builder(setting, data)
    spread = UnitVarianceKL(kl_weight)
    weight = mmd_weight
    if warmup:
        weight = Linear(warmup * builder.num_steps, last=mmd_weight)
    return builder.vae(
        [Reconstruction(), MMD(weight, base=_BASE), spread],
        posterior=builder.posterior(initial_scale=initial_scale),
    )
