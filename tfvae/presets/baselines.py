"""Systems that the papers compare with, and remedies that change one part."""

import dataclasses

from tfvae.latents import DeltaGaussian, Deterministic
from tfvae.loops import Lagging, Pretraining
from tfvae.models.refinement import SVIRefiner
from tfvae.objectives import (
    KL,
    BagOfWords,
    Cyclical,
    ImportanceWeighted,
    Reconstruction,
)
from tfvae.presets.builder import as_builder


def language_model(setting, data=None):
    """A recurrent language model without a latent, exact likelihood.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.

    Returns:
        A compiled `LanguageModel`.

    References:
        Bengio et al. 2003, A Neural Probabilistic Language Model; recurrent as in Wu
        et al. 2020 and Qian and Cheung 2019.
    """
    return as_builder(setting, data).language_model()


def dae(setting, data=None):
    """A deterministic autoencoder: reconstruction alone, no likelihood.

    The D stands for deterministic, as in Coupled-VAE: no noise is put on the words.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.

    Returns:
        A compiled `VAE` with a `Deterministic` posterior.

    References:
        Wu et al. 2020, DAE.
    """
    builder = as_builder(setting, data)
    latent = builder.posterior(Deterministic)
    return builder.vae([Reconstruction()], posterior=latent)


def vae(setting, data=None):
    """A Gaussian VAE with the setting's annealing of the KL weight.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.

    Returns:
        A compiled `VAE`.

    References:
        Kingma and Welling 2014, Auto-Encoding Variational Bayes; Bowman et al. 2016,
        Generating Sentences from a Continuous Space.
    """
    builder = as_builder(setting, data)
    return builder.vae([Reconstruction(), KL(builder.annealing())])


def beta_vae(setting, data=None, *, beta=0.8):
    """A VAE whose KL weight ends at beta.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        beta: Positive float. Defaults to `0.8`.

    Returns:
        A compiled `VAE`.

    References:
        Higgins et al. 2017, beta-VAE; annealed as in Wu et al. 2020.
    """
    builder = as_builder(setting, data)
    return builder.vae([Reconstruction(), KL(builder.annealing(beta))])


def cyclical_vae(setting, data=None, *, num_cycles=4, ratio=0.5):
    """A VAE whose KL weight rises anew in each of several cycles.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        num_cycles: Positive int. Defaults to `4`.
        ratio: Float in `(0, 1]`, share of a cycle on the ramp. Defaults to `0.5`.

    Returns:
        A compiled `VAE`.

    References:
        Fu et al. 2019, Cyclical Annealing Schedule, equation 6. Their released code
        restarts the learning rate's cosine decay with each cycle and begins a cycle at
        weight 0.1; here the learning rate is the setting's, and a cycle begins at 0.
    """
    builder = as_builder(setting, data)
    start = builder.setting.annealing.get_config().get("start", 0)
    schedule = Cyclical(builder.setting.cycles, num_cycles, ratio, start=start)
    weight = schedule.rescaled(builder.steps_per_unit)
    return builder.vae([Reconstruction(), KL(weight)])


def word_dropout_vae(setting, data=None, *, word_dropout=0.5):
    """A VAE whose decoder reads `<unk>` in place of a share of the words.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        word_dropout: Float in `[0, 1)`. Defaults to `0.5`.

    Returns:
        A compiled `VAE`.

    References:
        Bowman et al. 2016, section 3.1; VAE-.5 in Qian and Cheung 2019.
    """
    builder = as_builder(setting, data)
    return builder.vae(
        [Reconstruction(), KL(builder.annealing())],
        # In the order of `vae`, so that only the dropout differs for a seed.
        encoder=builder.encoder(),
        posterior=builder.posterior(),
        decoder=builder.decoder(word_dropout=word_dropout),
    )


def bow_vae(setting, data=None, *, bow_weight=1.0):
    """A VAE whose latent must also predict the words in any order.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        bow_weight: Non-negative float. Defaults to `1.0`.

    Returns:
        A compiled `VAE`.

    References:
        Zhao et al. 2017, the bag-of-words loss; VAE-BOW in Qian and Cheung 2019.
    """
    builder = as_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing()), BagOfWords(bow_weight)]
    return builder.vae(terms)


def free_bits_vae(
    setting,
    data=None,
    *,
    free_bits=6 / 32,
    free_bits_by="dimension",
    free_bits_over="sentence",
):
    """A VAE whose KL costs nothing below a floor.

    By dimension each unit moves up to its own floor at no cost: nearly all count as
    active, and the encoder's mutual information is above 0, however little the decoder
    reads; `latent_gain` and `decoder_mi` show what it does. With
    `free_bits_by="total"` the model chooses where its nats go.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        free_bits: Non-negative float, in nats. Defaults to `6 / 32`, the threshold of
            Wu et al. 2020.
        free_bits_by: `"dimension"` or `"total"`. Defaults to `"dimension"`.
        free_bits_over: `"sentence"` or `"batch"`. Defaults to `"sentence"`.

    Returns:
        A compiled `VAE`.

    References:
        Kingma et al. 2016, Improved Variational Inference with Inverse Autoregressive
        Flow (free bits); the defaults are those of Wu et al. 2020, see `KL`.
    """
    builder = as_builder(setting, data)
    kl = KL(builder.annealing(), free_bits, free_bits_by, free_bits_over)
    return builder.vae([Reconstruction(), kl])


def lagging_vae(setting, data=None, *, check_every=15, max_sub_steps=100):
    """A VAE whose encoder first learns in loops of its own.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        check_every: Positive int, encoder updates between looks at the loss. Defaults
            to `15`.
        max_sub_steps: Positive int, the most encoder updates for one of the decoder.
            Defaults to `100`.

    Returns:
        A compiled `VAE` with the loop `Lagging`.

    References:
        He et al. 2019, Lagging Inference Networks and Posterior Collapse in
        Variational Autoencoders; see `Lagging` for the deviations.
    """
    builder = as_builder(setting, data)
    return builder.vae(
        [Reconstruction(), KL(builder.annealing())],
        loop=Lagging(check_every, max_sub_steps),
    )


def sa_vae(
    setting,
    data=None,
    *,
    num_steps=20,
    refinement_rate=1 / 32,
    momentum=0.5,
    refinement_clip_norm=5 * 32**0.5,
    free_bits=0.0,
):
    """A VAE whose posterior is improved sentence by sentence.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        num_steps: Positive int, refinement steps. Defaults to `20`; Fang et al. take
            10.
        refinement_rate: Positive float, the learning rate of the refinement. Defaults
            to `1 / 32`, the released rate of 1 on the mean over 32 sentences. Short
            sentences, whose gradients are small, need a larger one.
        momentum: Float in `[0, 1)`, of the refinement. Defaults to `0.5`.
        refinement_clip_norm: Positive float, bound on the norm of a sentence's
            gradient. Defaults to `5 * sqrt(32)`, the released bound of 5 on the mean
            over 32 sentences.
        free_bits: Non-negative float, in nats per dimension and sentence, which the
            refinement leaves free too. Without information in the code there is
            nothing to refine, and these keep some. Defaults to `0.0`, the paper's.

    Returns:
        A compiled `VAE` with an `SVIRefiner`.

    References:
        Kim et al. 2018, Semi-Amortized Variational Autoencoders; see `SVIRefiner` for
        the deviations.
    """
    builder = as_builder(setting, data)
    return builder.vae(
        [Reconstruction(), KL(builder.annealing(), free_bits)],
        refiner=SVIRefiner(num_steps, refinement_rate, momentum, refinement_clip_norm),
    )


def prefb_vae(setting, data=None, *, pretraining=1.0, code="mode", free_bits=6 / 32):
    """A VAE with free bits whose encoder is first that of an autoencoder.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`.
        pretraining: Non-negative float, steps of the autoencoder as a multiple of
            the run's steps, which come after them. Defaults to `1.0`, as Wu et al.
            start from a trained autoencoder.
        code: `"mode"` or `"sample"`, what the autoencoder's decoder reads. Defaults
            to `"mode"`.
        free_bits: Non-negative float, in nats per dimension. Defaults to `6 / 32`.

    Returns:
        A compiled `VAE` with the loop `Pretraining`.

    References:
        Li et al. 2019, A Surprisingly Effective Fix for Deep Latent Variable Modeling
        of Text (PreFB). Their target is 8 nats in all, 8 / 32 a dimension; their
        released code sets a dimension below it to zero, where here the constant stays
        in the cost, as in Wu et al. 2020; and their KL weight rises from 0 over 10
        epochs, where here it is the setting's. See `Pretraining` for the first phase.
    """
    builder = as_builder(setting, data)
    return builder.vae(
        [Reconstruction(), KL(builder.annealing(), free_bits)],
        loop=Pretraining(round(pretraining * builder.num_steps), code),
    )


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
