"""Models: parts assembled, trained by `fit`."""

from tfvae.models.forward import Forward as Forward
from tfvae.models.lagging import Lagging as Lagging
from tfvae.models.language_model import LanguageModel as LanguageModel
from tfvae.models.patterns import TrainingPattern as TrainingPattern
from tfvae.models.pretraining import Pretraining as Pretraining
from tfvae.models.refinement import SVIRefiner as SVIRefiner
from tfvae.models.vae import VAE as VAE
