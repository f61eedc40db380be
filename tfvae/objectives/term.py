"""What every part of an objective offers."""

import tensorflow as tf

from tfvae.layers.part import Part
from tfvae.objectives.schedule import as_schedule


class Term(Part):
    """One cost of an objective: reads a `Forward`, returns a cost for each sentence.

    The model adds up `weight(step) * mean(cost)` over its terms and logs each mean
    cost under the term's name. A subclass implements `cost`; one with several parts
    overrides `costs`; one with weights creates them in `build`.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.

    Attributes:
        requires_density: Whether the posterior and the prior need densities.
    """

    requires_density = False

    def __init__(self, weight=1.0, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        # A Schedule is no Keras object that a layer would track.
        self.weight = as_schedule(weight)

    def check(self, model):
        """Refuses a model that this term cannot serve.

        Args:
            model: The `VAE` under construction, its parts set.

        Raises:
            ValueError: If a density is required and the posterior or prior has none.
        """
        if not self.requires_density:
            return
        for role in ("posterior", "prior"):
            latent = getattr(model, role)
            if latent is None or not latent.has_density:
                received = "no latent" if latent is None else type(latent).__name__
                raise ValueError(
                    f"`{type(self).__name__}` needs a {role} with a density. Use a "
                    f"latent such as `Gaussian`, or drop the term. Received: "
                    f"{role}={received}"
                )

    def build(self, shapes):
        """Creates the term's own weights.

        Args:
            shapes: Dict of the widths `"code"`, `"z"`, `"memory"` and
                `"vocabulary"`.
        """
        self.built = True

    def cost(self, forward):
        """Computes the cost, float32 `[B]`, unweighted, lower is better."""
        raise NotImplementedError(f"{type(self).__name__} must implement `cost`.")

    def costs(self, forward):
        """Gives the cost under the term's name; several names where it has parts."""
        return {self.name: self.cost(forward)}

    def weighted(self, costs, step):
        """Adds up the mean costs times their weight.

        Args:
            costs: Dict from `costs`.
            step: Int scalar tensor, or `None` for the schedule's final weight.

        Returns:
            Tuple of the scalar sum and a dict of the weights by name.
        """
        weight = self.weight(step) if step is not None else float(self.weight.final)
        weight = tf.convert_to_tensor(weight, tf.float32)
        total = tf.add_n([tf.reduce_mean(cost) for cost in costs.values()])
        return weight * total, {f"{self.name}_weight": weight}
