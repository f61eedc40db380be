"""TFP distributions, bijectors and pure functions of the methods."""

from tfvae.distributions.gaussian_copula import GaussianCopula as GaussianCopula
from tfvae.distributions.implicit import ImplicitDistribution as ImplicitDistribution
from tfvae.distributions.planar import Planar as Planar
from tfvae.distributions.spherical_uniform import SphericalUniform as SphericalUniform
from tfvae.distributions.von_mises_fisher import VonMisesFisher as VonMisesFisher
