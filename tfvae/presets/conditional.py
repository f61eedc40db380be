"""Models that answer a context, and need one."""

import dataclasses

import keras

from tfvae.latents import Deep, Gaussian, GaussianMixture, Pushforward
from tfvae.objectives import KL, BagOfWords, Reconstruction, Wasserstein
from tfvae.presets import baselines, stochastic_wae
from tfvae.presets.builder import as_builder
from tfvae.presets.implicit import dual_kl


def seq2seq(setting, data=None):
    """An encoder-decoder without a latent, exact likelihood of the response.

    It is `language_model` with a condition, whose vector is the decoder's memory.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.

    Returns:
        A compiled `LanguageModel` with a condition.

    Raises:
        ValueError: If there is no context or label.

    References:
        Sutskever et al. 2014, Sequence to Sequence Learning with Neural Networks; the
        GRU encoder-decoder of Wu et al. 2020, table 8. The context enters the decoder
        where the setting's code would, but for the place of a word.
    """
    return conditional_builder(setting, data).language_model()


def cvae(setting, data=None, *, bow_weight=0.0):
    """A VAE whose posterior, prior and decoder read a context.

    It is `vae` with a condition; any other preset becomes conditional in the same way.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.
        bow_weight: Non-negative float, of the bag-of-words loss on context and code.
            Defaults to `0.0`; Zhao et al. have 1.

    Returns:
        A compiled `VAE` with a condition.

    Raises:
        ValueError: If there is no context or label.

    References:
        Sohn et al. 2015, Learning Structured Output Representation using Deep
        Conditional Generative Models; Zhao et al. 2017, Learning Discourse-level
        Diversity for Neural Dialog Models; as in Wu et al. 2020, section 4.5. There
        the encoders of context and sentence share their embeddings in every setting,
        here where the setting says so.
    """
    builder = conditional_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing())]
    if bow_weight:
        terms.append(BagOfWords(bow_weight))
    return builder.vae(terms)


def ded(setting, data=None):
    """A deterministic encoder-decoder: a code of the context, without noise.

    It is `dae` whose encoder reads the context in the place of the sentence; the
    decoder knows the context by the code alone. A context has one code, so that
    responses differ by sampled words only.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts of one turn, or `None`.

    Returns:
        A compiled `VAE` whose encoder reads the context.

    Raises:
        ValueError: If there are no contexts, or contexts of several turns.

    References:
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, section 4.2 (DED).
    """
    return baselines.dae(_of_contexts(setting, data))


def ved(setting, data=None, *, word_dropout=0.5):
    """A variational encoder-decoder: a Gaussian code of the context.

    It is `word_dropout_vae` whose encoder reads the context in the place of the
    sentence. Reconstruction plus KL bounds no likelihood of the response; the former
    alone is a bound, since codes are sampled given the context.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts of one turn, or `None`.
        word_dropout: Float in `[0, 1)`. Defaults to `0.5`, to which the paper's rises
            within the first 10 of 200 epochs.

    Returns:
        A compiled `VAE` whose encoder reads the context.

    Raises:
        ValueError: If there are no contexts, or contexts of several turns.

    References:
        Bahuleyan et al. 2019, section 4.2 (VED); the released code drops words to
        padding, here they become `<unk>`.
    """
    builder = _of_contexts(setting, data)
    return baselines.word_dropout_vae(builder, word_dropout=word_dropout)


def wed_deterministic(setting, data=None, *, mmd_weight=130.0):
    """A `ded` whose codes of all contexts are matched to the prior by MMD.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts of one turn, or `None`.
        mmd_weight: Non-negative float. Defaults to `130.0`, 13 times the paper's 10,
            which stands beside a mean over tokens; the released code has 3 as its
            default, 39 here.

    Returns:
        A compiled `VAE` whose encoder reads the context.

    Raises:
        ValueError: If there are no contexts, or contexts of several turns.

    References:
        Bahuleyan et al. 2019, section 4.2 (WED-D); see `wae_deterministic`.
    """
    builder = _of_contexts(setting, data)
    return stochastic_wae.wae_deterministic(builder, mmd_weight=mmd_weight)


def wed_stochastic(
    setting,
    data=None,
    *,
    mmd_weight=10.0,
    kl_weight=0.01,
    initial_scale=1.0,
    warmup=0.5,
):
    """A `wed_deterministic` with a Gaussian code whose variances may not vanish.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts of one turn, or `None`.
        mmd_weight: Non-negative float. Defaults to `10.0`. The paper's regime is
            `130.0`, 13 times its 10, with `kl_weight=0.13` and `warmup=0`; see
            `wae_stochastic`, whose defaults these are.
        kl_weight: Non-negative float, of the divergence from a unit variance. Defaults
            to `0.01`.
        initial_scale: Positive float, the posterior's scale at the start. Defaults to
            `1.0`.
        warmup: Float in `[0, 1)`, the share of the run's steps in which the
            discrepancy's weight rises from 0. Defaults to `0.5`; the paper has none.

    Returns:
        A compiled `VAE` whose encoder reads the context.

    Raises:
        ValueError: If there are no contexts, or contexts of several turns.

    References:
        Bahuleyan et al. 2019, section 4.2 (WED-S); see `wae_stochastic`.
    """
    return stochastic_wae.wae_stochastic(
        _of_contexts(setting, data),
        mmd_weight=mmd_weight,
        kl_weight=kl_weight,
        initial_scale=initial_scale,
        warmup=warmup,
    )


def ivae_dialogue(
    setting,
    data=None,
    *,
    beta=1.0,
    code_dims=(200, 200),
    critic_dims=(600, 600),
    critic_learning_rate: float | None = None,
    num_critic_steps=5,
    dual_form="donsker_varadhan",
    slope_penalty=1.0,
    nonnegative=True,
):
    """A conditional `ivae_mi`: sampled posterior and prior, a critic for their KL.

    Posterior and prior are networks of context-dependent Gaussian noise. The critic
    reads code and context, so that the divergence is of `q(z|context)` from
    `p(z|context)`; the information of the response in the code is free.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.
        beta: Positive float, where the annealing of the KL's weight ends. Defaults to
            `1.0`.
        code_dims: Tuple of positive ints, widths of the layers before the noise's
            heads (batch normalised, tanh) and of those from noise to code (ReLU).
            Defaults to `(200, 200)`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(600, 600)`.
        critic_learning_rate: Positive float, of the critic's Adam, or `None` for that
            of the setting, so that 5 critic steps go ahead of one of the model.
            Released: RMSprop of 1e-5, where latents have 5e-5. Defaults to `None`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `5`.
        dual_form: `"donsker_varadhan"`, or `"tangent"` as in the paper, whose gradient
            into the learned prior can outweigh all others; see `DualKL`. Defaults to
            the former.
        slope_penalty: Non-negative float, of the critic's slope, which keeps the
            learned prior from running away from it; see `DualKL`. Defaults to `1.0`;
            the paper has none.
        nonnegative: Whether estimates below 0 cost nothing, without which codes run
            away from the critic; see `DualKL`. Defaults to `True`; the paper has no
            such bound.

    Returns:
        A compiled `VAE` with `Pushforward` latents.

    Raises:
        ValueError: If there is no context or label.

    References:
        Fang et al. 2019, Implicit Deep Latent Variable Models for Text Generation,
        section 5.4 (iVAE-MI, dialogue). The released order is model before critics,
        which then are one batch old, and its critic is batch normalised.
    """
    builder = conditional_builder(setting, data)
    rate = critic_learning_rate or builder.setting.learning_rate
    weight = builder.annealing(beta)
    options = {"form": dual_form, "slope_penalty": slope_penalty}
    options["nonnegative"] = nonnegative
    term = dual_kl(weight, False, critic_dims, rate, num_critic_steps, **options)
    return _from_noise(builder, term, Gaussian, code_dims)


def dialogue_wae(
    setting,
    data=None,
    *,
    distance_weight=0.1,
    gradient_penalty=10.0,
    penalty_of="row",
    code_dims=(200, 200),
    critic_dims=(600, 600),
    critic_learning_rate: float | None = None,
    num_critic_steps=5,
):
    """A conditional Wasserstein autoencoder with a critic, for dialogue.

    It is `ivae_dialogue` with the Wasserstein distance of posterior and prior given the
    context in the place of the divergence.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.
        distance_weight: Non-negative float, of the distance. Defaults to `0.1`; at 1
            the code of the grammar's answers goes unused. The released code has
            optimizers of their own for the distance, and no weight.
        gradient_penalty: Positive float. Defaults to `10.0`.
        penalty_of: `"row"`, or `"batch_mean"` as released; see `Wasserstein`. Defaults
            to `"row"`.
        code_dims: Tuple of positive ints, as of `ivae_dialogue`. Defaults to
            `(200, 200)`.
        critic_dims: Tuple of positive ints, widths of the critic's layers. Defaults to
            `(600, 600)`.
        critic_learning_rate: Positive float, of the critic's Adam, or `None` for that
            of the setting. Released: RMSprop of 1e-5, where latents have 5e-5. Defaults
            to `None`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults to
            `5`; the released code takes the last 4 on other batches.

    Returns:
        A compiled `VAE` with `Pushforward` latents.

    Raises:
        ValueError: If there is no context or label.

    References:
        Gu et al. 2019, DialogWAE: Multimodal Response Generation with Conditional
        Wasserstein Auto-Encoder, section 3.1.
    """
    builder = conditional_builder(setting, data)
    rate = critic_learning_rate or builder.setting.learning_rate
    critic = (critic_dims, rate, num_critic_steps)
    term = _wasserstein(distance_weight, gradient_penalty, penalty_of, *critic)
    return _from_noise(builder, term, Gaussian, code_dims)


def dialogue_wae_gmp(
    setting,
    data=None,
    *,
    num_components=5,
    temperature=0.1,
    distance_weight=0.1,
    gradient_penalty=10.0,
    penalty_of="row",
    code_dims=(200, 200),
    critic_dims=(600, 600),
    critic_learning_rate: float | None = None,
    num_critic_steps=5,
):
    """A `dialogue_wae` whose prior's noise is a mixture of Gaussians.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.
        num_components: Int of at least 2. Defaults to `5`, the released one for
            DailyDialog; 3 for SWDA.
        temperature: Positive float, of the components' relaxed choice. Defaults to
            `0.1`, which the released code has whatever its option says.
        distance_weight: Non-negative float, of the distance. Defaults to `0.1`.
        gradient_penalty: Positive float. Defaults to `10.0`.
        penalty_of: `"row"` or `"batch_mean"`. Defaults to `"row"`.
        code_dims: Tuple of positive ints. Defaults to `(200, 200)`.
        critic_dims: Tuple of positive ints. Defaults to `(600, 600)`.
        critic_learning_rate: Positive float, or `None`. Defaults to `None`.
        num_critic_steps: Positive int. Defaults to `5`.

    Returns:
        A compiled `VAE` with `Pushforward` latents.

    Raises:
        ValueError: If there is no context or label.

    References:
        Gu et al. 2019, DialogWAE, section 3.2 (DialogWAE-GMP); the other options as in
        `dialogue_wae`.
    """
    builder = conditional_builder(setting, data)
    rate = critic_learning_rate or builder.setting.learning_rate
    critic = (critic_dims, rate, num_critic_steps)
    term = _wasserstein(distance_weight, gradient_penalty, penalty_of, *critic)
    mixture = {"num_components": num_components, "temperature": temperature}
    return _from_noise(builder, term, GaussianMixture, code_dims, **mixture)


def conditional_builder(setting, data=None):
    """Returns the builder of a preset that needs a condition.

    Raises:
        ValueError: If there is none.
    """
    builder = as_builder(setting, data)
    if not builder.is_conditional:
        raise ValueError(
            "This preset answers a context. Pass `Batches` with contexts "
            "(--context-column), or a `ModelBuilder` with `context` or `num_labels`. "
            "Received: neither contexts nor labels"
        )
    return builder


def _of_contexts(setting, data):
    """Returns the builder of a model whose encoder reads the context alone."""
    builder = conditional_builder(setting, data)
    return dataclasses.replace(builder, encoder_reads="context")


def _wasserstein(weight, penalty, penalty_of, critic_dims, learning_rate, num_steps):
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.9)
    return Wasserstein(
        weight,
        penalty,
        penalty_of,
        hidden_dims=critic_dims,
        critic_optimizer=optimizer,
        num_critic_steps=num_steps,
    )


def _from_noise(builder, term, prior_kind, code_dims, **options):
    """Assembles a model whose codes are networks of noise, posterior and prior."""

    def latent(kind, **options):
        initializer = builder.initializer()
        noise = kind(builder.setting.latent_dim, initializer=initializer, **options)
        network = Deep(noise, code_dims, "tanh", True, initializer)
        return Pushforward(network, noise.latent_dim, code_dims, initializer)

    return builder.vae(
        [Reconstruction(), term],
        posterior=latent(Gaussian),
        prior=latent(prior_kind, **options),
    )
