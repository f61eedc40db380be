"""The base systems of Wu et al. 2020, beside the usual VAE and its schedules."""

from tfvae.decoders import ConvolutionalDecoder
from tfvae.latents import PlanarFlow, SphericalUniform, VonMisesFisher
from tfvae.objectives import KL, MMD, Reconstruction
from tfvae.presets.registry import preset


@preset(
    "Wu et al. 2020 (WAE)",
    {"ptb": "nll 103.7, kl 11.0 (coupled)"},
    coupled={
        "ptb": "nll 103.2, kl 12.5 (coupled)",
        "yelp13": "nll 191.3, kl 12.5 (coupled)",
        "yahoo": "nll 343.3, kl 18.2 (coupled)",
    },
)
def wae(blueprint, *, mmd_weight=10.0, kl_weight=0.8):
    """A VAE with a lower KL weight and a maximum mean discrepancy.

    Args:
        blueprint: `Blueprint`.
        mmd_weight: Non-negative float. Defaults to `10.0`.
        kl_weight: Positive float, where annealing ends. Defaults to `0.8`.

    Returns:
        A `VAE`.
    """
    terms = [Reconstruction(), KL(blueprint.annealing(kl_weight)), MMD(mmd_weight)]
    return blueprint.vae(terms)


@preset(
    "Xu and Durrett 2018; as in Wu et al. 2020, learned concentration",
    {"ptb": "nll 103.6, kl 2.0 (coupled)"},
    coupled={
        "ptb": "nll 103.0, kl 3.0 (coupled)",
        "yelp13": "nll 191.2, kl 2.8, matching weight 7 (coupled)",
        "yahoo": "nll 342.2, kl 4.0, matching weight 5 (coupled)",
    },
    # Of the released configuration for PTB, where the others have 0.1.
    matching_weight=7.5,
)
def vmf_vae(blueprint, *, min_concentration=1.0):
    """A VAE on the unit sphere, the von Mises-Fisher's concentration learned.

    Args:
        blueprint: `Blueprint`.
        min_concentration: Positive float. Defaults to `1.0`.

    Returns:
        A `VAE`.
    """
    return _sphere(blueprint, "learned", min_concentration)


@preset("Xu and Durrett 2018, fixed concentration", {"ptb": "nll 96.0 (copula)"})
def vmf_vae_fixed(blueprint, *, concentration=80.0):
    """A VAE on the unit sphere with a constant concentration, thus a constant KL.

    Args:
        blueprint: `Blueprint`.
        concentration: Positive float. Defaults to `80.0`.

    Returns:
        A `VAE`.
    """
    return _sphere(blueprint, concentration, 1.0)


@preset(
    "Rezende and Mohamed 2015; VAE-NF in Wu et al. 2020",
    {"ptb": "nll 103.3, kl 5.5 (coupled); nelbo 96.8, kl 0.87 (copula)"},
    coupled={
        "ptb": "nll 102.6, kl 5.7 (coupled)",
        "yelp13": "nll 191.8, kl 5.6 (coupled)",
        "yahoo": "nll 342.6, kl 8.8 (coupled)",
    },
)
def planar_vae(blueprint, *, num_flows=3, conditional=False):
    """A VAE whose posterior is a Gaussian under planar flows.

    Args:
        blueprint: `Blueprint`.
        num_flows: Positive int. Defaults to `3`.
        conditional: Whether the flows depend on the sentence. Defaults to `False`, as
            released.

    Returns:
        A `VAE`.
    """
    objective = [Reconstruction(), KL(blueprint.annealing())]
    return _planar(blueprint, objective, num_flows, conditional)


@preset(
    "Wu et al. 2020 (WAE-NF)",
    {"ptb": "nll 103.4, kl 6.7 (coupled)"},
    coupled={
        "ptb": "nll 102.7, kl 7.4 (coupled)",
        "yelp13": "nll 192.1, kl 7.4 (coupled)",
        "yahoo": "nll 342.7, kl 11.0 (coupled)",
    },
)
def planar_wae(
    blueprint, *, num_flows=3, conditional=False, mmd_weight=10.0, kl_weight=0.8
):
    """The `wae` with the posterior of `planar_vae`.

    Args:
        blueprint: `Blueprint`.
        num_flows: Positive int. Defaults to `3`.
        conditional: Whether the flows depend on the sentence. Defaults to `False`.
        mmd_weight: Non-negative float. Defaults to `10.0`.
        kl_weight: Positive float, where annealing ends. Defaults to `0.8`.

    Returns:
        A `VAE`.
    """
    terms = [Reconstruction(), KL(blueprint.annealing(kl_weight)), MMD(mmd_weight)]
    return _planar(blueprint, terms, num_flows, conditional)


@preset(
    "Yang et al. 2017; as in Wu et al. 2020",
    {"ptb": "nll 118.5, kl 29.6 (coupled)"},
    coupled={
        "ptb": "nll 118.2, kl 30.2 (coupled)",
        "yelp13": "nll 193.9, kl 13.7, matching weight 0.1 (coupled)",
        "yahoo": "nll 343.3, kl 22.4, matching weight 0.1 (coupled)",
    },
    # Of the released configuration for PTB: the paths share the encoder alone.
    matching_weight=0.0,
)
def cnn_vae(blueprint, *, size="medium", num_filters=256):
    """A VAE whose decoder is a dilated causal convolution.

    As released, dropout in the decoder is on word vectors alone. For Yelp and Yahoo
    the size is large, with 128 and 256 filters.

    Args:
        blueprint: `Blueprint`.
        size: `"small"`, `"medium"` or `"large"`, see `ConvolutionalDecoder`. Defaults
            to `"medium"`.
        num_filters: Positive int. Defaults to `256`.

    Returns:
        A `VAE`.
    """
    usual = blueprint.decoder()
    decoder = ConvolutionalDecoder(
        usual.vocabulary_size,
        usual.embedding_dim,
        num_filters,
        size,
        input_dropout=usual.input_dropout,
        initializer=usual.initializer,
        embedding_initializer=usual.embedding_initializer,
    )
    objective = [Reconstruction(), KL(blueprint.annealing())]
    return blueprint.vae(objective, decoder=decoder)


def _sphere(blueprint, concentration, min_concentration):
    latent_dim = blueprint.setting.latent_dim
    posterior = VonMisesFisher(latent_dim, concentration, min_concentration)
    return blueprint.vae(
        [Reconstruction(), KL(blueprint.annealing())],
        posterior=posterior,
        prior=SphericalUniform(latent_dim),
    )


def _planar(blueprint, objective, num_flows, conditional):
    posterior = PlanarFlow(blueprint.setting.latent_dim, num_flows, conditional)
    return blueprint.vae(objective, posterior=posterior)
