"""Posteriors and priors over latent codes."""

from tfvae.latents.deterministic import Deterministic as Deterministic
from tfvae.latents.fixed import StandardNormal as StandardNormal
from tfvae.latents.gaussian import Gaussian as Gaussian
from tfvae.latents.latent import Latent as Latent
