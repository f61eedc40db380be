"""Codes on the unit sphere, with noise that fades in training."""

import keras
import tensorflow as tf

from tfvae.encoders.encoder import Encoder
from tfvae.seeds import fold_in, normal

# Apart from the numbers that encoders fold into the seed for their dropouts.
_NOISE = 100


@keras.saving.register_keras_serializable("tfvae")
class CodeNoise(Encoder):
    """An encoder whose codes are of norm 1 and, in training, noisy.

    Computes `code / norm(code) + stddev * decay ** floor(n / every) * e` with standard
    normal `e` and the number `n` of training passes so far, which is saved; outside of
    training there is no noise. A deterministic autoencoder that must write the sentence
    from noisy codes puts similar sentences near to each other.

    Args:
        encoder: `Encoder`.
        stddev: Non-negative float, of the noise at first, in each component. Defaults
            to `0.1`.
        decay: Float in `(0, 1]`. Defaults to `0.9995`.
        every: Positive int, training passes between decays. Defaults to `100`.
        normalize: Whether codes are scaled to norm 1. Defaults to `True`.

    Raises:
        ValueError: If a number is out of range.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, section 3, and the
        released code for the numbers, which that of Fang et al. 2019 shares. There the
        classifier and the critic see codes without the noise, here all terms see what
        the decoder does.
    """

    def __init__(
        self,
        encoder,
        stddev=0.1,
        decay=0.9995,
        every=100,
        normalize=True,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if stddev < 0.0 or not 0.0 < decay <= 1.0 or every < 1:
            raise ValueError(
                "`stddev` must not be negative, `decay` in (0, 1] and `every` "
                "positive. Received: "
                f"stddev={stddev}, decay={decay}, every={every}"
            )
        self.encoder = encoder
        self.stddev = stddev
        self.decay = decay
        self.every = every
        self.normalize = normalize
        self.code_dim = encoder.code_dim
        self.vocabulary_size = encoder.vocabulary_size
        self.embedding_dim = encoder.embedding_dim

    @property
    def embedding(self):
        """The embeddings of the encoder within."""
        return self.encoder.embedding

    @embedding.setter
    def embedding(self, value):
        """Lets the encoder within share embeddings."""
        self.encoder.embedding = value

    def build(self):
        """Creates the encoder's weights and the counter of training passes."""
        if not self.encoder.built:
            self.encoder.build()
        self.num_passes = self.add_weight(
            name="num_passes",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def call(self, tokens, seed=None, training=False):
        """Encodes word ids `[B, T]` into codes `[B, C]`."""
        code = self.encoder(tokens, seed=seed, training=training)
        if self.normalize:
            code = tf.math.l2_normalize(code, axis=-1)
        if not training or not self.stddev:
            return code
        num_decays = tf.cast(self.num_passes.value // self.every, tf.float32)
        stddev = self.stddev * tf.pow(self.decay, num_decays)
        self.num_passes.assign_add(1)
        noise = stddev * normal(tf.shape(code), fold_in(seed, _NOISE))
        return code + tf.cast(noise, code.dtype)
