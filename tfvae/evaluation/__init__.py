"""Measures of likelihood, latent codes and text."""

from tfvae.evaluation.figures import DEFINITIONS as DEFINITIONS
from tfvae.evaluation.figures import format_table as format_table
from tfvae.evaluation.generation import generation_quality as generation_quality
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
from tfvae.evaluation.measures import measure as measure
from tfvae.evaluation.ngram import NgramModel as NgramModel
from tfvae.evaluation.proposal import FittedProposal as FittedProposal
from tfvae.evaluation.reconstruction import (
    reconstruction_quality as reconstruction_quality,
)
from tfvae.evaluation.suite import evaluate as evaluate
