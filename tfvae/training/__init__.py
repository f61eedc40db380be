"""Training runs that can be repeated and resumed."""

from tfvae.training.initial_weights import load_word_vectors as load_word_vectors
from tfvae.training.run_configuration import RunConfiguration as RunConfiguration
from tfvae.training.run_folder import RunFolder as RunFolder
from tfvae.training.run_folder import load_model as load_model
from tfvae.training.train import train as train
