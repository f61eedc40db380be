"""A divergence brought to a target, in place of a schedule of its weight."""

import dataclasses

from tfvae.objectives import KL, Reconstruction
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
