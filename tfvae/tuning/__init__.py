"""Searching the weights and sizes of any preset with KerasTuner."""

from tfvae.tuning.hypermodel import TextHyperModel as TextHyperModel
from tfvae.tuning.results import best_of as best_of
from tfvae.tuning.results import format_results as format_results
from tfvae.tuning.results import plot_results as plot_results
from tfvae.tuning.results import read_results as read_results
from tfvae.tuning.search_space import SPACES as SPACES
from tfvae.tuning.search_space import Choices as Choices
from tfvae.tuning.search_space import Objective as Objective
from tfvae.tuning.search_space import Range as Range
from tfvae.tuning.search_space import parse_search as parse_search
from tfvae.tuning.sweep import Sweep as Sweep
from tfvae.tuning.sweep import tune as tune
