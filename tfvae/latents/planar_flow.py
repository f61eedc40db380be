"""A Gaussian transformed by planar flows."""

import keras
import tensorflow as tf

from tfvae.distributions.planar import FlowedNormal, Planar
from tfvae.latents.gaussian import Gaussian
from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense


@keras.saving.register_keras_serializable("tfvae")
class PlanarFlow(Latent):
    """A diagonal Gaussian, affine in the code, transformed by planar flows.

    With `conditional=False` the flows are the same for all sentences. Prior and decoder
    could absorb such a map: the posterior gains no freedom that depends on the
    sentence. With `conditional=True` their parameters are affine in the code.

    The divergence from a prior has no closed form and is estimated from samples. The
    density at any other code takes a root search in each flow.

    Args:
        latent_dim: Positive int `Z`.
        num_flows: Positive int `K`. Defaults to `3`.
        conditional: Whether the flows depend on the code. Defaults to `False`.
        batch_normalization: Whether the Gaussian's heads are batch normalised; see
            `Gaussian`. Defaults to `False`; the released code does it.
        initializer: Keras initializer of the heads, or `None` for PyTorch's. Shared
            flows start uniform in +-0.01.

    Raises:
        ValueError: If `num_flows` or `latent_dim` is not positive.

    References:
        Rezende and Mohamed 2015, Variational Inference with Normalizing Flows,
        section 4.1, whose flows depend on the data; Wu et al. 2020, On the
        Encoder-Decoder Incompatibility, whose released flows are shared.
    """

    def __init__(
        self,
        latent_dim,
        num_flows=3,
        conditional=False,
        batch_normalization=False,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if num_flows < 1:
            raise ValueError(
                "`num_flows` must be positive. Use `Gaussian` for none. "
                f"Received: num_flows={num_flows}"
            )
        self.base = Gaussian(
            latent_dim,
            batch_normalization=batch_normalization,
            initializer=initializer,
            dtype=dtype,
        )
        self.num_flows = num_flows
        self.conditional = conditional
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]` and the flows."""
        self.base.build(code_dim=code_dim)
        shapes = {
            "flow_weight": (self.num_flows, self.latent_dim),
            "flow_shift": (self.num_flows, self.latent_dim),
            "flow_bias": (self.num_flows, 1),
        }
        if self.conditional:
            self.flows = {
                name: dense(
                    shape[0] * shape[1],
                    code_dim,
                    initializer=self.initializer,
                    name=name,
                )
                for name, shape in shapes.items()
            }
        else:
            self.flows = {
                name: self.add_weight(
                    name=name,
                    shape=shape,
                    initializer=keras.initializers.RandomUniform(-0.01, 0.01),
                )
                for name, shape in shapes.items()
            }
        self.built = True

    def call(self, code, training=False):
        """Computes `loc`, `log_variance` and, if conditional, the flows' parameters.

        These are `flow_weight` and `flow_shift`, `[B, K, Z]`, and `flow_bias`,
        `[B, K, 1]`.
        """
        params = self.base(code, training=training)
        if self.conditional:
            for name, head in self.flows.items():
                params[name] = tf.reshape(
                    head(code), [tf.shape(code)[0], self.num_flows, -1]
                )
        return float32(params)

    def distribution(self, params):
        """Creates the distribution of the Gaussian's samples after the flows."""
        flows = params
        if not self.conditional:
            flows = {name: weight.value for name, weight in self.flows.items()}
        bijectors = [
            Planar(
                flows["flow_weight"][..., index, :],
                flows["flow_shift"][..., index, :],
                flows["flow_bias"][..., index, 0],
            )
            for index in range(self.num_flows)
        ]
        scale = tf.exp(0.5 * params["log_variance"])
        return FlowedNormal(params["loc"], scale, bijectors)

    def mode(self, params):
        """Returns the flow of the Gaussian's mean.

        That is neither the mean nor the mode of the transformed distribution, which
        have no closed form.
        """
        return self.distribution(params).transform(params["loc"])[0]
