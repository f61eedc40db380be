"""The base class of posteriors `q(z|x)` and priors `p(z|c)`."""

import tensorflow as tf

from tfvae.distributions import sampling
from tfvae.layers.component import Component


class Latent(Component):
    """Maps a code to the parameters of a distribution over latent codes.

    Parameters travel as a dict of plain tensors; the distribution is made from them
    where it is needed and is never stored, so that nothing hides from saving,
    exporting or refinement.

    A subclass implements `call`, `distribution` and `mode`, and creates its weights
    in `build(code_dim=C)`. `sample` then works, the same with and without XLA for the
    distributions that `tfvae.distributions.sampling.sample` knows.

    Args:
        latent_dim: Positive int `Z`.

    Attributes:
        has_density: Whether `distribution` has log-densities.
        is_random: Whether a code is more than a function of the parameters.
        support: `"real"`, or `"sphere"` for unit vectors.
        latent_dim: Int `Z`.
    """

    has_density = True
    is_random = True
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
        """Creates the TFP distribution, batch `[B]` and event `[Z]`, in float32."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `distribution`."
        )

    def mode(self, params):
        """Returns the one code that stands for each row, without noise.

        Reconstructions, interpolations and nearest neighbours start from it. It is the
        mode of the distribution where that has a closed form; otherwise see the
        subclass.

        Args:
            params: Dict of tensors from `call`.

        Returns:
            Float32 tensor `[B, Z]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `mode`.")

    def sample(self, params, num_samples, seed):
        """Samples codes with their log-density.

        Args:
            params: Dict of tensors from `call`.
            num_samples: Positive int `S`.
            seed: Int tensor `[2]`.

        Returns:
            Tuple of `z`, float32 `[S, B, Z]`, and `log_q`, float32 `[S, B]` in nats,
            or `None` where the latent has no density.
        """
        distribution = self.distribution(params)
        if not self.has_density:
            return sampling.sample(distribution, num_samples, seed), None
        return sampling.sample_and_log_prob(distribution, num_samples, seed)


def float32(params):
    """Casts a dict of tensors to float32, the precision of every distribution."""
    return {name: tf.cast(value, tf.float32) for name, value in params.items()}
