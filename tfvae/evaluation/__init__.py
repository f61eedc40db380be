"""Metrics of likelihood, latent codes, reconstruction and generation."""

from tfvae.distributions.aggregated_posterior import (
    MutualInformation as MutualInformation,
)
from tfvae.distributions.aggregated_posterior import (
    mutual_information as mutual_information,
)
from tfvae.evaluation.evaluate import evaluate as evaluate
from tfvae.evaluation.generation import generation_quality as generation_quality
from tfvae.evaluation.generation import (
    reconstruction_quality as reconstruction_quality,
)
from tfvae.evaluation.latent import active_units as active_units
from tfvae.evaluation.latent import gradient_norms as gradient_norms
from tfvae.evaluation.latent import (
    information_given_context as information_given_context,
)
from tfvae.evaluation.latent import marginal_kl as marginal_kl
from tfvae.evaluation.likelihood import DecoderInformation as DecoderInformation
from tfvae.evaluation.likelihood import SentenceScorer as SentenceScorer
from tfvae.evaluation.likelihood import SentenceScores as SentenceScores
from tfvae.evaluation.likelihood import decoder_information as decoder_information
from tfvae.evaluation.likelihood import (
    importance_weighted_nll as importance_weighted_nll,
)
from tfvae.evaluation.likelihood import perplexity as perplexity
from tfvae.evaluation.metrics import METRICS as METRICS
from tfvae.evaluation.metrics import Metric as Metric
from tfvae.evaluation.metrics import format_table as format_table
from tfvae.evaluation.metrics import of_group as of_group
from tfvae.evaluation.neighbours import NeighbourIndex as NeighbourIndex
from tfvae.evaluation.neighbours import neighbours as neighbours
from tfvae.evaluation.ngram import NgramModel as NgramModel
from tfvae.evaluation.posterior import FittedProposal as FittedProposal
from tfvae.evaluation.responses import response_quality as response_quality
from tfvae.evaluation.responses import score_responses as score_responses
