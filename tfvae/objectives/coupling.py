"""A deterministic path beside the stochastic one, as in Coupled-VAE."""

import keras
import tensorflow as tf

from tfvae.checks import require_one_of
from tfvae.objectives.schedules import Constant, as_schedule
from tfvae.objectives.term import Term
from tfvae.seeds import Stream, fold_in

_DISTANCES = ("rational_quadratic", "squared_euclidean")
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROLES = ("posterior", "bridge", "decoder")


@keras.saving.register_keras_serializable("tfvae")
class Coupling(Term):
    """Couples a model with a deterministic path that shares its encoder.

    The path has a posterior head, a bridge and a decoder of its own, and no noise: the
    head's `mode` is its latent code. It adds two costs:

    - `coupled_reconstruction`, `-log p(x|z)` on that path in nats, whose gradient
      reaches the shared encoder;
    - `matching`, the distance of the model's memory from that path's, the mean over
      samples. No gradient reaches the deterministic path from it.

    With `d2 = sum((memory - deterministic memory) ** 2)` the distance is either
    `"squared_euclidean"`, `d2`, or `"rational_quadratic"`, minus the sum of
    `C / (C + d2)` over the scales 0.1, 0.2, 0.5, 1, 2, 5 and 10 with
    `C = 2 * Z * scale`, which is between -7 and 0.

    The model's bounds are as without this term, and none of the path is used after
    training. The model needs a bridge with layers: without them its memory is the code
    itself, and matching would pull the codes to points, which the paper does not do.

    Args:
        reconstruction_weight: Float or `Schedule`, the paper's lambda_r. Defaults to
            `1.0`.
        matching_weight: Float or `Schedule`, the paper's lambda_m. Defaults to `0.1`.
        distance: `"rational_quadratic"` or `"squared_euclidean"`. Defaults to the
            former.
        share_embedding: Whether the path's decoder uses the embeddings of the
            model's. Defaults to `True`.
        posterior: `Latent` of the path, or `None` for one like the model's. Weights
            that its `mode` does not read, such as a head for the variance, are not
            trained.
        bridge: `Bridge` of the path, or `None` for one like the model's.
        decoder: `Decoder` of the path, or `None` for one like the model's.
        released_gradient: Whether, with a condition, the matching also passes the
            gradient to the condition's map that it has in the released code, where one
            side alone is detached. The distance does not depend on that map. Defaults
            to `False`.

    Raises:
        ValueError: If `distance` is unknown or, in a model, the bridge has no layers
            and the matching weight is not 0.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility in Variational Text
        Modeling and Beyond, section 4, equations 4 and 5, and appendix B. What the
        paper calls the Euclidean distance is squared in equation 5, as here. The
        paper leaves the kernel's constant open; that of its released code, taken
        here, has the width of the latent, although memories have another.
    """

    requires_latent = True

    def __init__(
        self,
        reconstruction_weight=1.0,
        matching_weight=0.1,
        distance="rational_quadratic",
        share_embedding=True,
        posterior=None,
        bridge=None,
        decoder=None,
        released_gradient=False,
        *,
        name="coupling",
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        require_one_of("distance", distance, _DISTANCES)
        self.reconstruction_weight = as_schedule(reconstruction_weight)
        self.matching_weight = as_schedule(matching_weight)
        self.distance = distance
        self.share_embedding = share_embedding
        self.posterior = posterior
        self.bridge = bridge
        self.decoder = decoder
        self.released_gradient = released_gradient

    @property
    def schedules(self):
        """The schedules that a compiled step has in it."""
        return [self.reconstruction_weight, self.matching_weight]

    def check(self, model):
        """Refuses a model without a latent, or with codes where memories should be."""
        super().check(model)
        schedule = self.matching_weight
        matches = not isinstance(schedule, Constant) or schedule.value
        if matches and not model.bridge.weights:
            raise ValueError(
                "`Coupling` matches what a bridge makes of the code, and this model's "
                "bridge hands on the code itself. Give the model `Bridge((200, 200))`, "
                "`bridge_dims` of a setting, or use `matching_weight=0`. Received: "
                "bridge=Bridge(hidden_dims=())"
            )

    def bind(self, model):
        """Creates the path, of components like the model's; see `Term.bind`."""
        self.check(model)
        for role in _ROLES:
            own = self._own_component(role, getattr(model, role))
            setattr(self, f"coupled_{role}", own)
        # Both paths read the condition by one map.
        self._context_layer = getattr(model.bridge, "context_layer", None)
        if self.share_embedding:
            self._share_embedding(model.decoder)
        super().bind(model)

    def _own_component(self, role, of_model):
        """Returns the component of a role that the path uses, not built."""
        given = getattr(self, role)
        if given is None:
            return type(of_model).from_config(of_model.get_config())
        if given is of_model:
            raise ValueError(
                f"`{role}` must be a component of its own, since the paths share the "
                "encoder alone. Leave it out for one like the model's. "
                f"Received: {role}, the model's own"
            )
        return given

    def _share_embedding(self, decoder):
        """Puts the model's embeddings into the path's decoder."""
        for name in ("vocabulary_size", "embedding_dim"):
            sizes = getattr(self.coupled_decoder, name), getattr(decoder, name)
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"`decoder` needs the `{name}` of the model's decoder to share "
                    f"embeddings. Received: {sizes[0]} and {sizes[1]}"
                )
        self.coupled_decoder.embedding = decoder.embedding

    def build(
        self, *, code_dim, latent_dim, memory_dim, memory_context_dim=None, **widths
    ):
        """Creates the path's weights, after those of the model.

        Raises:
            ValueError: If the path's memory is of another width than the model's.
        """
        posterior, bridge = self.coupled_posterior, self.coupled_bridge
        posterior.build(code_dim=code_dim)
        _freeze_unread(posterior, code_dim)
        bridge.build(
            latent_dim=posterior.latent_dim,
            context_dim=memory_context_dim,
            context_layer=self._context_layer if self.bridge is None else None,
        )
        self._reads_context = memory_context_dim is not None
        if bridge.memory_dim != memory_dim:
            raise ValueError(
                "`bridge` must give a memory as wide as the model's. Received: "
                f"{bridge.memory_dim} and {memory_dim}"
            )
        self.coupled_decoder.build(memory_dim=bridge.memory_dim)
        self._latent_dim = latent_dim
        super().build()

    def costs(self, forward):
        """Returns `coupled_reconstruction` and `matching`, float32 `[B]`."""
        params = self.coupled_posterior(forward.code, training=forward.training)
        z = self.coupled_posterior.mode(params)
        context = forward.context if self._reads_context else None
        memory = self.coupled_bridge(z[None], context)
        log_likelihood = self.coupled_decoder.log_prob(
            forward.inputs["tokens"],
            memory,
            seed=fold_in(forward.seed, Stream.COUPLING),
            training=forward.training,
        )
        return {
            "coupled_reconstruction": -log_likelihood[0],
            "matching": self._distance(
                self._without_context(forward.memory, context), tf.stop_gradient(memory)
            ),
        }

    def _without_context(self, memory, context):
        """Stops the gradient of what the bridge adds for the condition.

        It is the same in both memories, so that the distance does not depend on it.
        """
        if context is None or self.released_gradient:
            return memory
        layer = getattr(self.coupled_bridge, "context_layer", None)
        if layer is None:
            return memory
        added = layer(context)
        return memory - (added - tf.stop_gradient(added))

    def weighted(self, costs, step):
        """Adds up the mean costs, each times its own weight; see `Term.weighted`."""
        weights = {
            "coupled_reconstruction": self.reconstruction_weight,
            "matching": self.matching_weight,
        }
        total, by_name = 0.0, {}
        for name, schedule in weights.items():
            weight = schedule(step) if step is not None else float(schedule.final)
            weight = tf.convert_to_tensor(weight, tf.float32)
            total += weight * tf.reduce_mean(costs[name])
            by_name[f"{name}_weight"] = weight
        return total, by_name

    def _distance(self, memory, deterministic):
        """Computes the distance `[B]` of memories `[S, B, U]` from `[1, B, U]`."""
        difference = tf.cast(memory, tf.float32) - tf.cast(deterministic, tf.float32)
        squared = tf.reduce_sum(difference**2, -1)
        if self.distance == "rational_quadratic":
            constants = [2.0 * self._latent_dim * scale for scale in _SCALES]
            squared = -tf.add_n([c / (c + squared) for c in constants])
        return tf.reduce_mean(squared, 0)


def _freeze_unread(posterior, code_dim):
    """Takes weights out of training that a posterior's mode does not depend on.

    An optimizer would warn of them in every step, as weights without gradients.
    """
    weights = posterior.trainable_variables
    unread = set()

    def find():
        with tf.GradientTape() as tape:
            point = posterior.mode(posterior(tf.zeros([1, code_dim])))
        gradients = tape.gradient(point, [weight.value for weight in weights])
        unread.update(i for i, gradient in enumerate(gradients) if gradient is None)

    # Weights of replicas have gradients in a replica alone.
    tf.distribute.get_strategy().run(find)
    for index in unread:
        weights[index].trainable = False
