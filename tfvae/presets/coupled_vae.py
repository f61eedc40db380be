"""The base systems of Wu et al. 2020, beside the usual VAE and its schedules.

Their coupled forms are those of `tfvae.presets.coupled`.
"""

from tfvae.decoders import ConvolutionalDecoder
from tfvae.latents import PlanarFlow, SphericalUniform, VonMisesFisher
from tfvae.objectives import KL, MMD, Reconstruction
from tfvae.presets.builder import as_builder


def wae(setting, data=None, *, mmd_weight=10.0, kl_weight=0.8):
    """A VAE with a lower KL weight and a maximum mean discrepancy.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        mmd_weight: Non-negative float. Defaults to `10.0`.
        kl_weight: Positive float, where annealing ends. Defaults to `0.8`.

    Returns:
        A compiled `VAE`.

    References:
        Tolstikhin et al. 2018, Wasserstein Auto-Encoders; as in Wu et al. 2020,
        appendix C, the discrepancy's weight from the released code.
    """
    builder = as_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing(kl_weight)), MMD(mmd_weight)]
    return builder.vae(terms)


def vmf_vae(setting, data=None, *, min_concentration=1.0):
    """A VAE on the unit sphere, the von Mises-Fisher's concentration learned.

    The heads are not batch normalised in any setting: a direction has no scale.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        min_concentration: Positive float. Defaults to `1.0`.

    Returns:
        A compiled `VAE`.

    References:
        Xu and Durrett 2018, Spherical Latent Spaces for Stable Variational
        Autoencoders, with a learned concentration as in Wu et al. 2020; see
        `VonMisesFisher` for the deviation.
    """
    return _sphere(as_builder(setting, data), "learned", min_concentration)


def vmf_vae_fixed(setting, data=None, *, concentration=80.0):
    """A VAE on the unit sphere with a constant concentration, thus a constant KL.

    The head is not batch normalised in any setting: a direction has no scale.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        concentration: Positive float. Defaults to `80.0`.

    Returns:
        A compiled `VAE`.

    References:
        Xu and Durrett 2018, Spherical Latent Spaces for Stable Variational
        Autoencoders. Their released code decodes the mean of 3 samples, which is not on
        the sphere and voids the bound, and has another formula for the KL; here there
        is one sample, and the KL is exact. See also `VonMisesFisher`.
    """
    return _sphere(as_builder(setting, data), concentration, 1.0)


def planar_vae(setting, data=None, *, num_flows=3, conditional=False):
    """A VAE whose posterior is a Gaussian under planar flows.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        num_flows: Positive int. Defaults to `3`.
        conditional: Whether the flows depend on the sentence. Defaults to `False`, as
            released.

    Returns:
        A compiled `VAE`.

    References:
        Rezende and Mohamed 2015, Variational Inference with Normalizing Flows; VAE-NF
        in Wu et al. 2020, whose released code batch normalises the Gaussian's heads.
        Here they are where the setting's are; see `PlanarFlow`.
    """
    builder = as_builder(setting, data)
    objective = [Reconstruction(), KL(builder.annealing())]
    return _planar(builder, objective, num_flows, conditional)


def planar_wae(
    setting,
    data=None,
    *,
    num_flows=3,
    conditional=False,
    mmd_weight=10.0,
    kl_weight=0.8,
):
    """The `wae` with the posterior of `planar_vae`.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        num_flows: Positive int. Defaults to `3`.
        conditional: Whether the flows depend on the sentence. Defaults to `False`.
        mmd_weight: Non-negative float. Defaults to `10.0`.
        kl_weight: Positive float, where annealing ends. Defaults to `0.8`.

    Returns:
        A compiled `VAE`.

    References:
        Wu et al. 2020, WAE-NF; see `planar_vae` for the deviation.
    """
    builder = as_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing(kl_weight)), MMD(mmd_weight)]
    return _planar(builder, terms, num_flows, conditional)


def cnn_vae(setting, data=None, *, size="medium", num_filters=256):
    """A VAE whose decoder is a dilated causal convolution.

    As released, dropout in the decoder is on embeddings alone. For Yelp and Yahoo
    the size is large, with 128 and 256 filters.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        size: `"small"`, `"medium"` or `"large"`, see `ConvolutionalDecoder`. Defaults
            to `"medium"`.
        num_filters: Positive int. Defaults to `256`.

    Returns:
        A compiled `VAE`.

    References:
        Yang et al. 2017, Improved Variational Autoencoders for Text Modeling using
        Dilated Convolutions; as in Wu et al. 2020. See `ConvolutionalDecoder` for the
        deviations.
    """
    builder = as_builder(setting, data)
    decoder = builder.decoder(
        ConvolutionalDecoder,
        size=size,
        num_filters=num_filters,
        memory_dropout=0.0,
        output_dropout=0.0,
        projection_dim=None,
    )
    objective = [Reconstruction(), KL(builder.annealing())]
    return builder.vae(objective, decoder=decoder)


def _sphere(builder, concentration, min_concentration):
    posterior = builder.posterior(
        VonMisesFisher,
        concentration=concentration,
        min_concentration=min_concentration,
    )
    return builder.vae(
        [Reconstruction(), KL(builder.annealing())],
        posterior=posterior,
        prior=SphericalUniform(builder.setting.latent_dim),
    )


def _planar(builder, objective, num_flows, conditional):
    posterior = builder.posterior(
        PlanarFlow, num_flows=num_flows, conditional=conditional
    )
    return builder.vae(objective, posterior=posterior)
