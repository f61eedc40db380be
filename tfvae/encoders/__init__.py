"""Networks that encode a sentence as a code."""

from tfvae.encoders.encoder import Encoder as Encoder
from tfvae.encoders.encoder import RecurrentEncoder as RecurrentEncoder
