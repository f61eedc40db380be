"""Keras layers and helpers that encoders, latents and decoders share."""

from tfvae.layers.dense import MLP as MLP
from tfvae.layers.dense import dense as dense
from tfvae.layers.dense import make_embedding as make_embedding
from tfvae.layers.dropout import dropout as dropout
from tfvae.layers.dropout import require_rate as require_rate
from tfvae.layers.dropout import word_dropout as word_dropout
from tfvae.layers.rnn import RNN as RNN
