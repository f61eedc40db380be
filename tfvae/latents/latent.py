"""What every latent offers, as posterior `q(z|x)` and as prior `p(z|c)`."""

import tensorflow as tf

from tfvae.layers.part import Part


class Latent(Part):
    """Maps a code to the parameters of a distribution over latent codes.

    Parameters travel as a dict of plain tensors; the distribution is made from them
    where it is needed and is never stored, so that nothing hides from saving,
    exporting or refinement.

    A subclass implements `call`, `distribution` and `point`, and creates its weights
    in `build((None, C))`. One without a density (`has_density = False`) also
    implements `sample`.

    Args:
        latent_dim: Positive int `Z`.

    Attributes:
        has_density: Whether `distribution` gives log-densities.
        support: `"real"`, or `"sphere"` for unit vectors.
        latent_dim: Int `Z`.
    """

    has_density = True
    support = "real"

    def __init__(self, latent_dim, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if latent_dim < 1:
            raise ValueError(
                f"`latent_dim` must be positive. Received: latent_dim={latent_dim}"
            )
        self.latent_dim = latent_dim

    def call(self, code, training=False):
        """Computes parameters, a dict of tensors `[B, ...]`, from codes `[B, C]`."""
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")

    def distribution(self, params):
        """Makes the TFP distribution, batch `[B]` and event `[Z]`, in float32."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `distribution`."
        )

    def point(self, params):
        """Gives one code for each row, float tensor `[B, Z]`, without noise."""
        raise NotImplementedError(f"{type(self).__name__} must implement `point`.")

    def sample(self, params, num_samples, seed):
        """Draws codes together with their log-density.

        Args:
            params: Dict of tensors from `call`.
            num_samples: Positive int `S`.
            seed: Int tensor `[2]`.

        Returns:
            Tuple of `z`, float32 `[S, B, Z]`, and `log_q`, float32 `[S, B]` in nats,
            or `None` where the latent has no density.
        """
        distribution = self.distribution(params)
        return distribution.experimental_sample_and_log_prob(num_samples, seed=seed)


def float32(params):
    """Casts a dict of tensors to float32, the precision of every distribution."""
    return {name: tf.cast(value, tf.float32) for name, value in params.items()}
