"""Networks that encode a sentence as a code."""

from tfvae.encoders.encoder import Encoder as Encoder
from tfvae.encoders.recurrent import RecurrentEncoder as RecurrentEncoder
