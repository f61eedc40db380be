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
from tfvae.presets.registry import PRESETS as PRESETS
from tfvae.presets.registry import Preset as Preset
from tfvae.presets.registry import get_preset as get_preset
from tfvae.presets.settings import SETTINGS as SETTINGS
from tfvae.presets.settings import Setting as Setting
