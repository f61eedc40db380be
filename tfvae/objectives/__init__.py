"""Cost terms and the schedules of their weights."""

from tfvae.objectives.control import GECO as GECO
from tfvae.objectives.control import Control as Control
from tfvae.objectives.control import MinimumRate as MinimumRate
from tfvae.objectives.control import PIControl as PIControl
from tfvae.objectives.copula import CopulaLikelihood as CopulaLikelihood
from tfvae.objectives.coupling import Coupling as Coupling
from tfvae.objectives.critics import DualKL as DualKL
from tfvae.objectives.critics import Wasserstein as Wasserstein
from tfvae.objectives.kl import KL as KL
from tfvae.objectives.kl import UnitVarianceKL as UnitVarianceKL
from tfvae.objectives.mmd import MMD as MMD
from tfvae.objectives.mutual_information import MutualInformation as MutualInformation
from tfvae.objectives.schedules import Constant as Constant
from tfvae.objectives.schedules import Cyclical as Cyclical
from tfvae.objectives.schedules import Linear as Linear
from tfvae.objectives.schedules import Peaking as Peaking
from tfvae.objectives.schedules import Piecewise as Piecewise
from tfvae.objectives.schedules import Schedule as Schedule
from tfvae.objectives.schedules import Sigmoid as Sigmoid
from tfvae.objectives.style_adversary import StyleAdversary as StyleAdversary
from tfvae.objectives.term import BagOfWords as BagOfWords
from tfvae.objectives.term import CriticTerm as CriticTerm
from tfvae.objectives.term import ImportanceWeighted as ImportanceWeighted
from tfvae.objectives.term import Reconstruction as Reconstruction
from tfvae.objectives.term import Term as Term
