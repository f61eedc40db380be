"""Measures of likelihood, latent codes and text."""

from tfvae.evaluation.figures import DEFINITIONS as DEFINITIONS
from tfvae.evaluation.figures import format_table as format_table
from tfvae.evaluation.latent import MutualInformation as MutualInformation
from tfvae.evaluation.latent import active_units as active_units
from tfvae.evaluation.latent import marginal_kl as marginal_kl
from tfvae.evaluation.latent import mutual_information as mutual_information
from tfvae.evaluation.likelihood import SentenceScorer as SentenceScorer
from tfvae.evaluation.likelihood import SentenceScores as SentenceScores
from tfvae.evaluation.likelihood import (
    importance_weighted_nll as importance_weighted_nll,
)
from tfvae.evaluation.likelihood import perplexity as perplexity
from tfvae.evaluation.suite import evaluate as evaluate
