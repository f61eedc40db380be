"""Fang et al. 2019, Implicit Deep Latent Variable Models for Text Generation."""

import keras

from tfvae.latents import Implicit
from tfvae.objectives import DualKL, Reconstruction
from tfvae.presets.builder import as_builder

# Of the released critic, and its steps in 40 epochs of PTB, 5 for each of the model.
_RATE = 1e-5
_STEPS = 264_000
_HIGHEST_RATE = 3e-4


def ivae(
    setting,
    data=None,
    *,
    beta=1.0,
    hidden_dims=(),
    noise_dim: int | None = None,
    critic_dims=(512, 512, 512),
    critic_learning_rate: float | None = None,
    num_critic_steps=5,
    both_critics=False,
    nonnegative=True,
):
    """A VAE with a sampled posterior whose KL a critic of sentence and code estimates.

    As released the posterior's network is linear, so that the posterior is a Gaussian
    with one covariance for all sentences; `hidden_dims` make it the multi-layer
    perceptron of the paper's section 5.1.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        beta: Positive float, where the annealing of the KL's weight ends. Defaults to
            `1.0`.
        hidden_dims: Tuple of positive ints, widths of the posterior's ReLU layers.
            Defaults to `()`.
        noise_dim: Positive int, or `None` for the setting's `latent_dim`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(512, 512, 512)`.
        critic_learning_rate: Positive float, of the critic's Adam, or `None` for the
            released `1e-5`; with scaled schedules more, up to `3e-4`, by the square of
            how many times fewer critic steps the run has than theirs on PTB, 264,000:
            a critic that has not learned reports a KL far below the true one. Defaults
            to `None`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `5`.
        both_critics: Whether the other preset's critic is trained too, with weight 0,
            as in the released code. The model trains as without it; evaluation gains
            the other's metric and `critic_mi`. Defaults to `False`.
        nonnegative: Whether estimates below 0 cost nothing; see `DualKL`. Defaults to
            `True`; the paper has no such bound.

    Returns:
        A compiled `VAE` with an `Implicit` posterior.

    References:
        Fang et al. 2019, section 3 and released code; see `DualKL`.
    """
    builder = as_builder(setting, data)
    rate = _critic_rate(builder, critic_learning_rate, num_critic_steps)
    critic = (critic_dims, rate, num_critic_steps)
    terms = _terms(builder.annealing(beta), True, both_critics, critic, nonnegative)
    return _implicit(builder, terms, hidden_dims, noise_dim)


def ivae_mi(
    setting,
    data=None,
    *,
    beta=1.0,
    hidden_dims=(),
    noise_dim: int | None = None,
    critic_dims=(512, 512, 512),
    critic_learning_rate: float | None = None,
    num_critic_steps=5,
    both_critics=False,
    nonnegative=True,
):
    """An `ivae` whose KL is that of the aggregated posterior, which leaves MI free.

    Nothing keeps the noise of a code from vanishing, where the exact KL and any bound
    of the likelihood grow without limit.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        beta: Positive float, where the annealing of the KL's weight ends. Defaults to
            `1.0`.
        hidden_dims: Tuple of positive ints, widths of the posterior's ReLU layers.
            Defaults to `()`.
        noise_dim: Positive int, or `None` for the setting's `latent_dim`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(512, 512, 512)`.
        critic_learning_rate: Positive float, of the critic's Adam, or `None` for that
            of `ivae`. Defaults to `None`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `5`.
        both_critics: Whether the other preset's critic is trained too, with weight 0;
            see `ivae`. The paper's `critic_elbo` needs it. Defaults to `False`.
        nonnegative: Whether estimates below 0 cost nothing; see `DualKL`. Defaults to
            `True`; the paper has no such bound.

    Returns:
        A compiled `VAE` with an `Implicit` posterior.

    References:
        Fang et al. 2019, section 3 and released code; see `DualKL`.
    """
    builder = as_builder(setting, data)
    rate = _critic_rate(builder, critic_learning_rate, num_critic_steps)
    critic = (critic_dims, rate, num_critic_steps)
    terms = _terms(builder.annealing(beta), False, both_critics, critic, nonnegative)
    return _implicit(builder, terms, hidden_dims, noise_dim)


def _critic_rate(builder, given, num_critic_steps):
    """Returns the learning rate of a critic that has to learn in the run's steps."""
    if given is not None:
        return given
    if not builder.scale_schedules:
        return _RATE
    steps = builder.num_steps * num_critic_steps
    return min(max(_RATE, _RATE * (_STEPS / steps) ** 2), _HIGHEST_RATE)


def _terms(weight, joint, both_critics, critic, nonnegative):
    """Creates the objective; the term of weight 0 trains its critic alone."""
    kinds = [(weight, joint), *[(0.0, not joint)] * both_critics]
    terms = [dual_kl(*kind, *critic, nonnegative=nonnegative) for kind in kinds]
    return [Reconstruction(), *terms]


def dual_kl(weight, joint, critic_dims, learning_rate, num_steps, **options):
    """Creates the term with a critic that learns by PyTorch's Adam."""
    # PyTorch's epsilon; Keras has 1e-7.
    optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8)
    return DualKL(weight, joint, critic_dims, optimizer, num_steps, **options)


def _implicit(builder, terms, hidden_dims, noise_dim):
    posterior = builder.posterior(
        Implicit, noise_dim=noise_dim, hidden_dims=hidden_dims
    )
    return builder.vae(terms, posterior=posterior)
