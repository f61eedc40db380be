"""Posteriors and priors over latent codes."""

from tfvae.latents.gaussian import DeltaGaussian as DeltaGaussian
from tfvae.latents.gaussian import Gaussian as Gaussian
from tfvae.latents.gaussian import StandardNormal as StandardNormal
from tfvae.latents.gaussian_copula import GaussianCopula as GaussianCopula
from tfvae.latents.gaussian_mixture import GaussianMixture as GaussianMixture
from tfvae.latents.implicit import Deterministic as Deterministic
from tfvae.latents.implicit import Implicit as Implicit
from tfvae.latents.implicit import Pushforward as Pushforward
from tfvae.latents.latent import Deep as Deep
from tfvae.latents.latent import Latent as Latent
from tfvae.latents.planar_flow import PlanarFlow as PlanarFlow
from tfvae.latents.von_mises_fisher import SphericalUniform as SphericalUniform
from tfvae.latents.von_mises_fisher import VonMisesFisher as VonMisesFisher
