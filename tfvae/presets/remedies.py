"""Remedies against posterior collapse that change one part and add no other.

Each is a VAE with the setting's annealing of the KL weight, where it has one.
"""

import dataclasses

from tfvae.latents import DeltaGaussian
from tfvae.objectives import KL, ImportanceWeighted, Reconstruction
from tfvae.presets.builder import as_builder


def target_kl_vae(setting, data=None, *, target_kl=5.0, kl_control="pi"):
    """A VAE whose KL weight follows the KL until it is what was asked for.

    Other presets take the same target as `target_kl` of their setting.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        target_kl: Positive float, nats per sentence. Defaults to `5.0`.
        kl_control: `"pi"` for `PIControl`, `"geco"` for `GECO` or `"minimum_rate"` for
            `MinimumRate`, which holds the KL from below alone. Defaults to `"pi"`.

    Returns:
        A compiled `VAE`.

    References:
        Shao et al. 2020, ControlVAE; Rezende and Viola 2018, Taming VAEs; Pelsmaeker
        and Aziz 2020, Effective Estimation of Deep Generative Language Models.
    """
    builder = as_builder(setting, data)
    target = {"target_kl": target_kl, "kl_control": kl_control}
    chosen = dataclasses.replace(builder.setting, **target)
    builder = dataclasses.replace(builder, setting=chosen)
    return builder.vae([Reconstruction(), KL(builder.annealing())])


def bn_vae(setting, data=None, *, mean_scale=0.6):
    """A VAE whose posterior's means are batch normalised with a fixed scale.

    Their spread over the sentences of a batch, and with it a floor of the mean KL, is
    given. KL and active units are therefore no measure of it: look at what the decoder
    makes of the code. It takes the place of a setting's own batch normalisation.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        mean_scale: Positive float, the paper's gamma: over a batch the mean KL is at
            least `latent_dim * mean_scale ** 2 / 2`. Defaults to `0.6`.

    Returns:
        A compiled `VAE`.

    References:
        Zhu et al. 2020, A Batch Normalized Inference Network Keeps the KL Vanishing
        Away (BN-VAE); see `Gaussian`.
    """
    builder = as_builder(setting, data)
    posterior = builder.posterior(
        batch_normalization=False, normalized_mean_scale=mean_scale
    )
    return builder.vae(_bound(builder), posterior=posterior)


def pooling_vae(setting, data=None, *, pooling="max"):
    """A VAE whose encoder pools the states of all words.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        pooling: `"max"` or `"mean"`. Defaults to `"max"`.

    Returns:
        A compiled `VAE`.

    References:
        Long et al. 2019, Preventing Posterior Collapse in Sequence VAEs with Pooling;
        see `RecurrentEncoder`.
    """
    builder = as_builder(setting, data)
    return builder.vae(_bound(builder), encoder=builder.encoder(pooling=pooling))


def skip_vae(setting, data=None):
    """A VAE whose code also joins the vocabulary layer.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.

    Returns:
        A compiled `VAE`.

    References:
        Dieng et al. 2019, Avoiding Latent Variable Collapse with Generative Skip
        Models (Skip-VAE); see `RecurrentDecoder` for the deviation.
    """
    builder = as_builder(setting, data)
    conditioning = dict.fromkeys([*builder.setting.conditioning, "output"])
    decoder = builder.decoder(conditioning=tuple(conditioning))
    return builder.vae(_bound(builder), decoder=decoder)


def delta_vae(setting, data=None, *, rate=5.0):
    """A VAE whose posterior cannot come nearer to the prior than a given KL.

    The rate is paid for small variances, used or not: look at what the decoder makes of
    the code, not at the KL.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        rate: Positive float, the least KL of every sentence, in nats. Defaults to
            `5.0`.

    Returns:
        A compiled `VAE`.

    References:
        Razavi et al. 2019, Preventing Posterior Collapse with delta-VAEs; see
        `DeltaGaussian` for the deviations.
    """
    builder = as_builder(setting, data)
    posterior = builder.posterior(DeltaGaussian, rate=rate)
    return builder.vae(_bound(builder), posterior=posterior)


def iwae_vae(setting, data=None, *, num_samples=5):
    """A VAE trained on the importance-weighted bound of several samples.

    The setting's annealing of the KL weight has no part in it, since the bound has no
    KL of its own.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        num_samples: Positive int, samples of the latent for each sentence. Defaults to
            `5`. The decoder's work grows with it.

    Returns:
        A compiled `VAE`.

    References:
        Burda et al. 2016, Importance Weighted Autoencoders (IWAE); see
        `ImportanceWeighted`.
    """
    builder = as_builder(setting, data)
    return builder.vae([ImportanceWeighted()], num_samples=num_samples)


def _bound(builder):
    return [Reconstruction(), KL(builder.annealing())]
