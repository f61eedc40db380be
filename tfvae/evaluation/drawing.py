"""The latent codes behind the scores of sentences, and what is known of them."""

import tensorflow as tf

from tfvae.evaluation.density import (
    exact_mean,
    is_random,
    mean_of_draws,
    with_density,
)
from tfvae.evaluation.proposal import FittedProposal
from tfvae.evaluation.reported import has_critic, reported_figures
from tfvae.objectives.kl import kl_divergence, kl_method
from tfvae.seeds import fold_in

# Draws a sentence behind a critic's value and a mean that is not known otherwise, as
# many as Fang et al. 2019 take.
_NUM_DRAWS = 128
# Tells the proposal's draws from all that a model draws from the same seed.
_PROPOSAL = 103


class CodeDrawer:
    """Draws codes of a batch of sentences and computes what needs no decoder.

    Args:
        model: `VAE`.
        num_samples: Positive int `N`, codes a sentence that are to be decoded.
        num_draws: Int `D` of codes to draw at least, or `None` for `N`.
        proposal: `FittedProposal`, or `None` for the posterior itself where its
            density is known and a default one elsewhere.

    Attributes:
        posterior: The posterior as it is scored, a `Latent` or an `ExactGaussian`.
        has_density: Whether posterior and prior have densities that are known.
        nll_method: `"importance_weighted"`, `"fitted_proposal"`, or `None` where the
            likelihood is not defined.
        proposal: `FittedProposal`, or `None`.
        num_samples: Int `N`, 1 for a deterministic posterior.
        num_draws: Int `D`.
        kl_method: `"closed_form"` or `"monte_carlo"` after the first batch, `None`
            without densities.

    Raises:
        ValueError: If there is a proposal that the posterior or prior cannot use.
    """

    def __init__(self, model, num_samples, num_draws=None, proposal=None):
        params = model.posterior(tf.zeros([1, model.encoder.code_dim]))
        self.model = model
        self.posterior = with_density(model.posterior, params)
        distribution = self.posterior.distribution(params)
        random = is_random(distribution)
        self.has_density = self.posterior.has_density and model.prior.has_density
        can_fit = (
            random and model.prior.has_density and self.posterior.support == "real"
        )
        if proposal is not None and not can_fit:
            raise ValueError(
                "`proposal` needs a random posterior on the real space and a prior "
                "with a density. Use None. Received: posterior="
                f"{type(model.posterior).__name__}, prior={type(model.prior).__name__}"
            )
        self.proposal, self.nll_method = None, None
        if self.has_density and proposal is None:
            self.nll_method = "importance_weighted"
        elif can_fit:
            self.nll_method = "fitted_proposal"
            self.proposal = proposal or FittedProposal()
        self.num_samples = num_samples if random else 1
        self.num_draws = num_draws or self.num_samples
        if random and (has_critic(model) or exact_mean(distribution) is None):
            self.num_draws = max(self.num_draws, _NUM_DRAWS)
        self.kl_method = None

    def __call__(self, inputs, seed):
        """Encodes a batch and draws its codes.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            seed: Int tensor `[2]`.

        Returns:
            Dict of `z`, `log_q`, `log_prior`, `params`, `mean`, `mean_noise` and `kl`
            as in `SentenceScores`; `context` for the bridge; `reported`, a dict from
            `reported_figures`; `log_ratio`, float32 `[N, B]`, `log p(z) - log r(z|x)`
            of the codes for `nll`, where there is one; and `proposed`, float32
            `[N, B, Z]`, those codes where they are not the first of `z`.
        """
        # What the record decoded is unused and, in a graph, never computed.
        record = self.model.forward(inputs, num_samples=1, seed=seed)
        params = record.params
        z, log_q = self.posterior.sample(params, self.num_draws, fold_in(seed, 4))
        posterior = self.posterior.distribution(params)
        record = record._replace(posterior=posterior, z=z, log_q=log_q)
        mean, mean_noise = exact_mean(posterior), None
        if mean is None:
            mean, mean_noise = mean_of_draws(z, self.num_draws)
        kl = log_prior = log_ratio = proposed = None
        if self.has_density:
            # Known when this is traced, before the first batch is scored.
            self.kl_method = kl_method(posterior, record.prior)
            log_prior = record.prior.log_prob(z)
            decoded = slice(self.num_samples)
            kl = kl_divergence(record._replace(z=z[decoded], log_q=log_q[decoded]))
            log_ratio = (log_prior - log_q)[decoded]
        if self.proposal is not None:
            proposed, log_ratio = self.proposal.sample(
                self.posterior,
                params,
                record.prior,
                self.num_samples,
                fold_in(seed, _PROPOSAL),
            )
        return {
            "kl": kl,
            "context": record.context,
            "params": params,
            "mean": mean,
            "mean_noise": mean_noise,
            "z": z,
            "log_q": log_q,
            "log_prior": log_prior,
            "log_ratio": log_ratio,
            "proposed": proposed,
            "reported": reported_figures(self.model, record),
        }
