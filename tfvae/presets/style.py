"""Style transfer: the same sentence again with another label."""

import keras

from tfvae.decoders import Bridge, LabelledDecoders
from tfvae.encoders import CodeNoise
from tfvae.latents import Deterministic, Implicit, Pushforward, StandardNormal
from tfvae.loops import Alternating
from tfvae.objectives import KL, DualKL, Reconstruction, StyleAdversary, Wasserstein
from tfvae.presets.builder import as_builder, of_any_width


def vae_transfer(setting, data=None, *, beta=1.0, decoder_per_label=False):
    """A VAE whose decoder reads the label, with nothing to keep it out of the code.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with labels, or `None`.
        beta: Positive float, where the annealing of the KL's weight ends. Defaults to
            `1.0`.
        decoder_per_label: Whether each label has a decoder of its own, see
            `LabelledDecoders`. Defaults to `False`, one decoder that reads the label.

    Returns:
        A compiled `VAE`.

    Raises:
        ValueError: If there are no labels.

    References:
        Kingma et al. 2014, Semi-supervised Learning with Deep Generative Models,
        section 2 (M2), with every label known and a posterior that does not read it.
    """
    builder = _labelled_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing(beta))]
    return _transferring(builder, terms, builder.encoder(), None, decoder_per_label)


def dae_transfer(setting, data=None, *, code_noise=0.0, decoder_per_label=False):
    """An autoencoder whose decoder reads the label, `vae_transfer` without a prior.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with labels, or `None`.
        code_noise: Non-negative float, noise on codes of norm 1, see `CodeNoise`; 0
            leaves codes as they are. Defaults to `0.0`.
        decoder_per_label: See `vae_transfer`. Defaults to `False`.

    Returns:
        A compiled `VAE` with a `Deterministic` posterior.

    Raises:
        ValueError: If there are no labels.

    References:
        The autoencoder that Zhao et al. 2018, Adversarially Regularized Autoencoders,
        compare with in section 5.2.
    """
    builder = _labelled_builder(setting, data)
    encoder = builder.encoder()
    if code_noise:
        encoder = CodeNoise(encoder, code_noise)
    posterior = builder.posterior(Deterministic)
    terms = [Reconstruction()]
    return _transferring(builder, terms, encoder, posterior, decoder_per_label)


def ivae_transfer(
    setting,
    data=None,
    *,
    beta=10.0,
    adversary_weight=10.0,
    adversary_target="uniform",
    code_noise=0.1,
    noise_dim: int | None = None,
    prior_noise_dim=32,
    prior_dims=(128, 128),
    critic_dims=(128, 128),
    critic_learning_rate=1e-4,
    num_critic_steps=4,
    adversary_learning_rate=1e-4,
    num_adversary_steps=1,
    decoder_per_label=True,
    alternating=False,
    nonnegative=False,
):
    """An implicit VAE with a learned prior, whose codes do not tell the label.

    The paper's costs stand beside a mean over tokens, so that weights of 1 there are 10
    here, for sentences of 10 tokens.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with labels, or `None`.
        beta: Positive float, where the annealing of the weight of the divergence ends.
            Defaults to `10.0`.
        adversary_weight: Non-negative float, of `StyleAdversary`. Defaults to `10.0`.
        adversary_target: `"uniform"`, or `"flipped"` as released. Defaults to
            `"uniform"`.
        code_noise: Non-negative float, see `CodeNoise`. Defaults to `0.1`.
        noise_dim: Positive int, noise of the posterior, or `None` for `latent_dim`.
        prior_noise_dim: Positive int, noise of the prior. Defaults to `32`.
        prior_dims: Tuple of positive ints, widths of the prior's ReLU layers. Defaults
            to `(128, 128)`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(128, 128)`.
        critic_learning_rate: Positive float, of the critic's Adam. Defaults to `1e-4`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `4`.
        adversary_learning_rate: Positive float, of the classifier's Adam. Defaults to
            `1e-4`.
        num_adversary_steps: Positive int, classifier steps for one of the model.
            Defaults to `1`.
        decoder_per_label: See `vae_transfer`. Defaults to `True`, as released.
        alternating: Whether each cost has an update and an optimizer of its own, as
            released, see `Alternating`. Defaults to `False`, one joint update.
        nonnegative: Whether estimates of the divergence below 0 cost nothing; see
            `DualKL`. Defaults to `False`, as in the paper: codes near the unit sphere
            cannot run away from their critic, and on the grammar's sentiments transfers
            kept more without it.

    Returns:
        A compiled `VAE` with an `Implicit` posterior and a `Pushforward` prior.

    Raises:
        ValueError: If there are no labels.

    References:
        Fang et al. 2019, section 4.3 and released code. There the critic's mean is
        taken before the exponential, see `DualKL`, generator and critic are batch
        normalised, and the target is flipped.
    """
    builder = _labelled_builder(setting, data)
    latent_dim, initializer = builder.setting.latent_dim, builder.initializer()
    divergence = DualKL(
        builder.annealing(beta),
        joint=False,
        hidden_dims=critic_dims,
        critic_optimizer=_adam(critic_learning_rate),
        num_critic_steps=num_critic_steps,
        nonnegative=nonnegative,
    )
    adversary = _adversary(
        adversary_weight, adversary_target, adversary_learning_rate, num_adversary_steps
    )
    return _transferring(
        builder,
        _ordered(divergence, adversary, alternating),
        CodeNoise(builder.encoder(), code_noise),
        Implicit(latent_dim, noise_dim, (), initializer),
        decoder_per_label,
        prior=_generator(builder, prior_noise_dim, prior_dims),
        loop=_loop(alternating),
    )


def arae(
    setting,
    data=None,
    *,
    distance_weight=10.0,
    penalty=0.1,
    posterior_weight=0.01,
    adversary_weight=10.0,
    adversary_target="uniform",
    code_noise=0.1,
    prior_noise_dim=32,
    prior_dims=(128, 128),
    critic_dims=(128, 128),
    critic_learning_rate=1e-4,
    num_critic_steps=5,
    adversary_learning_rate=1e-4,
    num_adversary_steps=1,
    decoder_per_label=True,
    alternating=False,
):
    """An autoencoder with an adversarially learned prior and codes without the label.

    The paper's costs stand beside a mean over tokens, so that weights of 1 there are 10
    here, for sentences of 10 tokens.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with labels, or `None`.
        distance_weight: Non-negative float, of `Wasserstein`. Defaults to `10.0`.
        penalty: Positive float, of its gradient penalty. Defaults to `0.1`.
        posterior_weight: Non-negative float by which its gradient into the encoder is
            multiplied. Defaults to `0.01`.
        adversary_weight: Non-negative float, of `StyleAdversary`. Defaults to `10.0`.
        adversary_target: `"uniform"`, or `"flipped"` as released. Defaults to
            `"uniform"`.
        code_noise: Non-negative float, see `CodeNoise`. Defaults to `0.1`.
        prior_noise_dim: Positive int, noise of the prior. Defaults to `32`.
        prior_dims: Tuple of positive ints, widths of the prior's ReLU layers. Defaults
            to `(128, 128)`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(128, 128)`.
        critic_learning_rate: Positive float, of the critic's Adam. Defaults to `1e-4`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `5`.
        adversary_learning_rate: Positive float, of the classifier's Adam. Defaults to
            `1e-4`.
        num_adversary_steps: Positive int, classifier steps for one of the model.
            Defaults to `1`.
        decoder_per_label: See `vae_transfer`. Defaults to `True`, as released.
        alternating: Whether each cost has an update and an optimizer of its own, as
            released, see `Alternating`. Defaults to `False`, one joint update.

    Returns:
        A compiled `VAE` with a `Deterministic` posterior and a `Pushforward` prior.

    Raises:
        ValueError: If there are no labels.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, algorithm 1 and
        section 5.2, and released code. There the code itself is on the sphere, here an
        affine map of it is the latent; generator and critic are batch normalised there,
        the penalty is of the batch's mean (`Wasserstein`), and the target is flipped.
    """
    builder = _labelled_builder(setting, data)
    distance = Wasserstein(
        distance_weight,
        penalty=penalty,
        posterior_weight=posterior_weight,
        hidden_dims=critic_dims,
        critic_optimizer=_adam(critic_learning_rate),
        num_critic_steps=num_critic_steps,
    )
    adversary = _adversary(
        adversary_weight, adversary_target, adversary_learning_rate, num_adversary_steps
    )
    return _transferring(
        builder,
        _ordered(distance, adversary, alternating),
        CodeNoise(builder.encoder(), code_noise),
        builder.posterior(Deterministic),
        decoder_per_label,
        prior=_generator(builder, prior_noise_dim, prior_dims),
        loop=_loop(alternating),
    )


def _labelled_builder(setting, data):
    """Returns the builder of a preset that needs labels, and takes nothing else."""
    builder = as_builder(setting, data)
    if builder.num_labels is None or builder.context is not None:
        beside = "contexts" if builder.context is not None else "no labels"
        raise ValueError(
            "This preset tells the labels of sentences apart. Pass `Batches` with "
            "labels (--label-column) and without contexts. Received: " + beside
        )
    return builder


def _adam(learning_rate):
    # That of ARAE's released critics; PyTorch's epsilon.
    return keras.optimizers.Adam(learning_rate, 0.5, 0.999, epsilon=1e-8)


def _adversary(weight, target, learning_rate, num_steps):
    optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8)
    return StyleAdversary(
        weight, target, critic_optimizer=optimizer, num_critic_steps=num_steps
    )


def _ordered(divergence, adversary, alternating):
    """Returns the terms, where their order matters in that of the released code."""
    if alternating:
        return [Reconstruction(), adversary, divergence]
    return [Reconstruction(), divergence, adversary]


def _loop(alternating):
    # The generator's optimizer is that of the released critics.
    return Alternating(_adam(1e-4)) if alternating else None


def _generator(builder, noise_dim, hidden_dims):
    latent_dim = builder.setting.latent_dim
    base = StandardNormal(noise_dim)
    return Pushforward(base, latent_dim, hidden_dims, builder.initializer())


def _transferring(
    builder, terms, encoder, posterior, decoder_per_label, prior=None, loop=None
):
    """Assembles a model whose bridge alone reads the label."""
    bridge = decoder = None
    if decoder_per_label:
        places = of_any_width(builder.setting.conditioning)
        decoder = LabelledDecoders(
            [builder.decoder(conditioning=places) for _ in range(builder.num_labels)]
        )
        bridge = Bridge()
    return builder.vae(
        terms,
        encoder=encoder,
        posterior=posterior,
        prior=prior,
        bridge=bridge,
        decoder=decoder,
        context_to=("bridge",),
        loop=loop,
        # A critic's value drifts with the critic.
        monitor="val_loss" if prior is None else "val_reconstruction",
    )
