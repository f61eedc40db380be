"""Published models as functions that assemble parts, and the papers' settings."""

from tfvae.presets.baselines import beta_vae as beta_vae
from tfvae.presets.baselines import bow_vae as bow_vae
from tfvae.presets.baselines import cyclical_vae as cyclical_vae
from tfvae.presets.baselines import dae as dae
from tfvae.presets.baselines import free_bits_vae as free_bits_vae
from tfvae.presets.baselines import language_model as language_model
from tfvae.presets.baselines import vae as vae
from tfvae.presets.baselines import word_dropout_vae as word_dropout_vae
from tfvae.presets.blueprint import Blueprint as Blueprint
from tfvae.presets.copula import copula_vae as copula_vae
from tfvae.presets.copula import full_covariance_vae as full_covariance_vae
from tfvae.presets.coupled import cnn_vae as cnn_vae
from tfvae.presets.coupled import planar_vae as planar_vae
from tfvae.presets.coupled import planar_wae as planar_wae
from tfvae.presets.coupled import vmf_vae as vmf_vae
from tfvae.presets.coupled import vmf_vae_fixed as vmf_vae_fixed
from tfvae.presets.coupled import wae as wae
from tfvae.presets.implicit_models import ivae as ivae
from tfvae.presets.implicit_models import ivae_mi as ivae_mi
from tfvae.presets.mine import info_vae as info_vae
from tfvae.presets.mine import mine_vae as mine_vae
from tfvae.presets.patterns import lagging_vae as lagging_vae
from tfvae.presets.patterns import prefb_vae as prefb_vae
from tfvae.presets.patterns import sa_vae as sa_vae
from tfvae.presets.registry import PRESETS as PRESETS
from tfvae.presets.registry import Preset as Preset
from tfvae.presets.registry import get_preset as get_preset
from tfvae.presets.settings import SETTINGS as SETTINGS
from tfvae.presets.settings import Setting as Setting
from tfvae.presets.wasserstein import wae_deterministic as wae_deterministic
from tfvae.presets.wasserstein import wae_stochastic as wae_stochastic

# The registry makes the coupled forms, so no module defines them by name.
globals().update(
    {name: each.function for name, each in PRESETS.items() if each.coupled_form_of}
)
