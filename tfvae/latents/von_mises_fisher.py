"""Latents on the unit sphere: von Mises-Fisher and uniform."""

import math
import numbers

import keras
import tensorflow as tf

from tfvae.distributions import von_mises_fisher
from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense

# Below this norm a direction is not defined; the first axis stands in for it.
_SMALLEST_NORM = 1e-12


@keras.saving.register_keras_serializable("tfvae")
class VonMisesFisher(Latent):
    """Unit vectors around a direction that is affine in the code.

    The density is proportional to `exp(concentration * mean_direction . z)`. With
    `concentration="learned"` the concentration is
    `min_concentration + softplus(head(code))`, at most `max_concentration`. With a
    number the divergence from the uniform sphere is a constant that cannot vanish; it
    does not tell whether the code is used. The prior to go with it is
    `SphericalUniform`.

    Args:
        latent_dim: Int `Z` of at least 2, the number of coordinates.
        concentration: `"learned"`, or a positive float for every sentence. Defaults to
            `"learned"`.
        min_concentration: Non-negative float, the floor of a learned concentration.
            At 1 the divergence is almost zero (0.016 nats with 32 coordinates), so
            that the posterior can collapse. Defaults to `1.0`.
        max_concentration: Float above the floor, or `None`. No gradient passes where
            the ceiling acts. Defaults to `None`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Raises:
        ValueError: If `latent_dim` is below 2 or a concentration is out of range.

    References:
        Davidson et al. 2018, Hyperspherical Variational Auto-Encoders (learned, floor
        1); Xu and Durrett 2018, Spherical Latent Spaces for Stable Variational
        Autoencoders (fixed). Samples have exact gradients here, where ports of the
        former leave out a term and the latter has none.
    """

    support = "sphere"

    def __init__(
        self,
        latent_dim,
        concentration="learned",
        min_concentration=1.0,
        max_concentration=None,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        require_sphere(latent_dim)
        is_number = isinstance(concentration, numbers.Real)
        if not (is_number and 0.0 < concentration < math.inf):
            if concentration != "learned":
                raise ValueError(
                    "`concentration` must be 'learned' or a positive number. "
                    f"Received: concentration={concentration!r}"
                )
        ceiling = math.inf if max_concentration is None else max_concentration
        if not 0.0 <= min_concentration < ceiling:
            raise ValueError(
                "`min_concentration` must be in [0, max_concentration). Received: "
                f"min_concentration={min_concentration}, "
                f"max_concentration={max_concentration}"
            )
        self.concentration = concentration
        self.min_concentration = min_concentration
        self.max_concentration = max_concentration
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        sizes = {"direction": self.latent_dim}
        if self.concentration == "learned":
            sizes["raw_concentration"] = 1
        self.heads = {
            name: dense(size, code_dim, initializer=self.initializer, name=name)
            for name, size in sizes.items()
        }
        self.built = True

    def call(self, code, training=False):
        """Computes `direction` `[B, Z]` of any norm and `raw_concentration` `[B, 1]`.

        The latter is missing where the concentration is fixed.
        """
        return float32({name: head(code) for name, head in self.heads.items()})

    def distribution(self, params):
        """Creates the distribution; any real numbers will do as `params`."""
        mean_direction = self.mode(params)
        if self.concentration == "learned":
            raw = params["raw_concentration"][..., 0]
            concentration = self.min_concentration + tf.nn.softplus(raw)
            if self.max_concentration is not None:
                concentration = tf.minimum(concentration, self.max_concentration)
        else:
            shape = tf.shape(mean_direction)[:-1]
            concentration = tf.fill(shape, float(self.concentration))
        return von_mises_fisher.VonMisesFisher(mean_direction, concentration)

    def mode(self, params):
        """Returns the mean direction, which is the mode."""
        direction = params["direction"]
        norm = tf.reduce_max(tf.abs(direction), -1, keepdims=True)
        # Scaled first, or the squares of small numbers vanish.
        first = tf.one_hot(tf.zeros_like(norm[..., 0], tf.int32), self.latent_dim)
        is_defined = norm > _SMALLEST_NORM
        scaled = direction / tf.stop_gradient(tf.where(is_defined, norm, 1.0))
        return tf.math.l2_normalize(tf.where(is_defined, scaled, first), -1)


@keras.saving.register_keras_serializable("tfvae")
class SphericalUniform(Latent):
    """The uniform distribution over unit vectors, whatever the code.

    Args:
        latent_dim: Int `Z` of at least 2.

    Raises:
        ValueError: If `latent_dim` is below 2.

    Example:
    >>> prior = SphericalUniform(3)
    >>> params = prior(tf.zeros([1, 0]))
    >>> prior.distribution(params).log_prob([[0.0, 1.0, 0.0]]).numpy().round(4)
    array([-2.531], dtype=float32)
    """

    support = "sphere"

    def __init__(self, latent_dim, *, name=None, dtype=None):
        super().__init__(latent_dim, name=name, dtype=dtype)
        require_sphere(latent_dim)

    def call(self, code, training=False):
        """Returns the first axis for each row of the code `[B, C]`."""
        index = tf.zeros([tf.shape(code)[0]], tf.int32)
        return {"direction": tf.one_hot(index, self.latent_dim)}

    def distribution(self, params):
        """Creates the uniform distribution, repeated for each row."""
        return von_mises_fisher.SphericalUniform(
            self.latent_dim, tf.shape(params["direction"])[:1]
        )

    def mode(self, params):
        """Returns the first axis, which stands for all: every direction is a mode."""
        return params["direction"]


def require_sphere(latent_dim):
    """Refuses spheres of fewer than two coordinates, for constructors."""
    if latent_dim < 2:
        raise ValueError(
            "`latent_dim` must be at least 2 for codes on a sphere. "
            f"Received: latent_dim={latent_dim}"
        )
