"""Distributions and bijectors for TFP, discrepancies, and bounds of divergences."""

from tfvae.distributions.gaussian_copula import GaussianCopula as GaussianCopula
from tfvae.distributions.gaussian_mixture import GaussianMixture as GaussianMixture
from tfvae.distributions.planar import Planar as Planar
from tfvae.distributions.von_mises_fisher import SphericalUniform as SphericalUniform
from tfvae.distributions.von_mises_fisher import VonMisesFisher as VonMisesFisher
