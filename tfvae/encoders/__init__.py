"""Networks that encode a sentence as a code."""

from tfvae.encoders.condition import Condition as Condition
from tfvae.encoders.condition import ContextEncoder as ContextEncoder
from tfvae.encoders.condition import JoinedConditions as JoinedConditions
from tfvae.encoders.condition import LabelEncoder as LabelEncoder
from tfvae.encoders.condition import TurnEncoder as TurnEncoder
from tfvae.encoders.encoder import CodeNoise as CodeNoise
from tfvae.encoders.encoder import Encoder as Encoder
from tfvae.encoders.encoder import RecurrentEncoder as RecurrentEncoder
