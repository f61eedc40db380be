"""Keras layers that encoders and decoders share."""

from tfvae.layers.dropout import dropout as dropout
from tfvae.layers.dropout import require_rate as require_rate
from tfvae.layers.recurrence import Recurrence as Recurrence
from tfvae.layers.word_vectors import word_vectors as word_vectors
