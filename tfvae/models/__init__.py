"""Models: components assembled, trained by `fit`."""

from tfvae.models.forward import Forward as Forward
from tfvae.models.language_model import LanguageModel as LanguageModel
from tfvae.models.refinement import SVIRefiner as SVIRefiner
from tfvae.models.vae import VAE as VAE
