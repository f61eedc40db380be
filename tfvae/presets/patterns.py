"""Models that are trained or inferred in another way: lagging, PreFB, SA-VAE."""

from tfvae.models.lagging import Lagging
from tfvae.models.pretraining import Pretraining
from tfvae.models.refinement import SVIRefiner
from tfvae.objectives import KL, Reconstruction
from tfvae.presets.registry import preset


@preset(
    "He et al. 2019 (Lagging); as in Wu et al. 2020 and Qian and Cheung 2019",
    {"ptb": "nll 98.8, kl 6.0 (coupled); nelbo 100.93, kl 4.84 (mine)"},
    coupled={"ptb": "nll 98.7, kl 11.0 (coupled)"},
)
def lagging_vae(blueprint, *, check_every=15, max_sub_steps=100):
    """A VAE whose encoder first learns in loops of its own.

    Args:
        blueprint: `Blueprint`.
        check_every: Positive int, encoder updates between looks at the loss. Defaults
            to `15`.
        max_sub_steps: Positive int, most encoder updates for one of the decoder.
            Defaults to `100`.

    Returns:
        A `VAE`.
    """
    return blueprint.vae(
        [Reconstruction(), KL(blueprint.annealing())],
        pattern=Lagging(check_every, max_sub_steps),
    )


@preset(
    "Kim et al. 2018 (SA-VAE); as in Wu et al. 2020 and Fang et al. 2019",
    {"ptb": "nll 100.7, kl 7.7 (coupled); nelbo 102.6, kl 1.23 (ivae)"},
)
def sa_vae(blueprint, *, num_steps=20, learning_rate=1 / 32, momentum=0.5):
    """A VAE whose posterior is improved sentence by sentence.

    Args:
        blueprint: `Blueprint`.
        num_steps: Positive int, refinement steps. Defaults to `20`; Fang et al. take
            10.
        learning_rate: Positive float, of the refinement. Defaults to `1 / 32`, the
            released rate of 1 on the mean over 32 sentences.
        momentum: Float in `[0, 1)`, of the refinement. Defaults to `0.5`.

    Returns:
        A `VAE`.
    """
    return blueprint.vae(
        [Reconstruction(), KL(blueprint.annealing())],
        refiner=SVIRefiner(num_steps, learning_rate, momentum),
    )


@preset(
    "Li et al. 2019 (PreFB); as in Wu et al. 2020",
    {"ptb": "nll 103.4, kl 14.6 (coupled)"},
    coupled={"ptb": "nll 103.3, kl 15.6 (coupled)"},
)
def prefb_vae(blueprint, *, pretraining=1.0, code="point", free_bits=6 / 32):
    """A VAE with free bits whose encoder is first that of an autoencoder.

    Args:
        blueprint: `Blueprint`.
        pretraining: Non-negative float, steps of the autoencoder as a multiple of
            the run's steps, which come after them. Defaults to `1.0`, as Wu et al.
            start from a trained autoencoder.
        code: `"point"` or `"sample"`, what the autoencoder's decoder reads. Defaults
            to `"point"`.
        free_bits: Non-negative float, nats a dimension. Defaults to `6 / 32`.

    Returns:
        A `VAE`.
    """
    steps = blueprint.total_steps
    if steps is None:
        steps = blueprint.setting.budget * blueprint.steps_per_unit
    return blueprint.vae(
        [Reconstruction(), KL(blueprint.annealing(), free_bits)],
        pattern=Pretraining(round(pretraining * steps), code),
    )
