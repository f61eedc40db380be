"""Systems that the papers compare with."""

from tfvae.latents import Deterministic
from tfvae.objectives import KL, BagOfWords, Cyclical, Reconstruction
from tfvae.presets.registry import preset


@preset(
    "Bengio et al. 2003; as in Wu et al. 2020, Table 1, and Qian and Cheung 2019",
    {"ptb": "GRU-LM nll 105.8, perplexity 125.3 (coupled); LSTM-LM 102.85 (mine)"},
)
def language_model(blueprint):
    """A recurrent language model without a latent, exact likelihood.

    Args:
        blueprint: `Blueprint`.

    Returns:
        A `LanguageModel`.
    """
    return blueprint.language_model()


@preset("Wu et al. 2020 (DAE, deterministic autoencoder)")
def dae(blueprint):
    """A deterministic autoencoder: reconstruction alone, no likelihood.

    The D stands for deterministic, as in Coupled-VAE: no noise is put on the words.

    Args:
        blueprint: `Blueprint`.

    Returns:
        A `VAE` with a `Deterministic` posterior.
    """
    latent = Deterministic(blueprint.setting.latent_dim)
    return blueprint.vae([Reconstruction()], posterior=latent)


@preset(
    "Kingma and Welling 2014; Bowman et al. 2016",
    {
        "ptb": "nll 103.6, kl 8.6 (coupled); nelbo 102.6, kl 1.08 (ivae); "
        "nelbo 105.2, kl 1.74 (copula)"
    },
    coupled={
        "ptb": "nll 103.1, kl 9.5 (coupled)",
        "yelp13": "nll 191.2, kl 8.0 (coupled)",
        "yahoo": "nll 342.4, kl 12.8 (coupled)",
    },
)
def vae(blueprint):
    """A Gaussian VAE with the setting's annealing of the KL weight.

    Args:
        blueprint: `Blueprint`.

    Returns:
        A `VAE`.
    """
    return blueprint.vae([Reconstruction(), KL(blueprint.annealing())])


@preset(
    "Higgins et al. 2017; as in Wu et al. 2020 and Fang et al. 2019",
    {"ptb": "beta 0.8: nll 103.8, kl 11.0 (coupled); beta 0.5: nelbo 104.5 (ivae)"},
    coupled={
        "ptb": "beta 0.8: nll 103.3, kl 12.1; beta 1.2: nll 102.9, kl 8.6 (coupled)",
        "yelp13": "beta 0.8: nll 191.5, kl 12.2; beta 1.2: nll 191.2, kl 6.9 (coupled)",
        "yahoo": "beta 0.8: nll 342.8, kl 17.0; beta 1.2: nll 342.3, kl 11.3 (coupled)",
    },
)
def beta_vae(blueprint, *, beta=0.8):
    """A VAE whose KL weight ends at beta.

    Args:
        blueprint: `Blueprint`.
        beta: Positive float. Defaults to `0.8`.

    Returns:
        A `VAE`.
    """
    return blueprint.vae([Reconstruction(), KL(blueprint.annealing(beta))])


@preset(
    "Fu et al. 2019; as in Wu et al. 2020 and Fang et al. 2019",
    {"ptb": "nll 104.2, kl 1.6 (coupled); nelbo 103.1, kl 3.48 (ivae)"},
    coupled={
        "ptb": "nll 103.7, kl 2.4 (coupled)",
        "yelp13": "nll 190.8, kl 2.0 (coupled)",
        "yahoo": "nll 342.4, kl 4.4 (coupled)",
    },
)
def cyclical_vae(blueprint, *, num_cycles=4, ratio=0.5):
    """A VAE whose KL weight rises anew in each of several cycles.

    Args:
        blueprint: `Blueprint`.
        num_cycles: Positive int. Defaults to `4`.
        ratio: Float in `(0, 1]`, share of a cycle on the ramp. Defaults to `0.5`.

    Returns:
        A `VAE`.
    """
    setting = blueprint.setting
    start = setting.annealing.get_config().get("start", 0)
    schedule = Cyclical(setting.cycles, num_cycles, ratio, start=start)
    weight = schedule.stretched(blueprint.steps_per_unit)
    return blueprint.vae([Reconstruction(), KL(weight)])


@preset(
    "Bowman et al. 2016; VAE-.5 in Qian and Cheung 2019",
    {"ptb": "nelbo 104.06, kl 0.03 (mine)"},
)
def word_dropout_vae(blueprint, *, word_dropout=0.5):
    """A VAE whose decoder reads `<unk>` in place of a share of the words.

    Args:
        blueprint: `Blueprint`.
        word_dropout: Float in `[0, 1)`. Defaults to `0.5`.

    Returns:
        A `VAE`.
    """
    objective = [Reconstruction(), KL(blueprint.annealing())]
    return blueprint.vae(objective, word_dropout=word_dropout)


@preset(
    "Zhao et al. 2017; VAE-BOW in Qian and Cheung 2019",
    {"ptb": "nelbo 105.58, kl 4.35 (mine)"},
)
def bow_vae(blueprint, *, bow_weight=1.0):
    """A VAE whose latent must also predict the words in any order.

    Args:
        blueprint: `Blueprint`.
        bow_weight: Non-negative float. Defaults to `1.0`.

    Returns:
        A `VAE`.
    """
    terms = [Reconstruction(), KL(blueprint.annealing()), BagOfWords(bow_weight)]
    return blueprint.vae(terms)


@preset("Kingma et al. 2016; threshold of Wu et al. 2020")
def free_bits_vae(
    blueprint, *, free_bits=6 / 32, free_bits_by="dimension", free_bits_over="sentence"
):
    """A VAE whose KL costs nothing below a floor.

    Args:
        blueprint: `Blueprint`.
        free_bits: Non-negative float, nats. Defaults to `6 / 32`.
        free_bits_by: `"dimension"` or `"total"`. Defaults to `"dimension"`.
        free_bits_over: `"sentence"` or `"batch"`. Defaults to `"sentence"`.

    Returns:
        A `VAE`.
    """
    weight = blueprint.annealing()
    kl = KL(weight, free_bits, free_bits_by, free_bits_over)
    return blueprint.vae([Reconstruction(), kl])
