"""Terms that learn a critic of their own beside the model."""

import keras
import tensorflow as tf

from tfvae.kernels.replicas import apply_mean
from tfvae.objectives.term import Term


class CriticTerm(Term):
    """A term with a critic that is updated before the objective is taken.

    Each training step first takes `num_critic_steps` steps of `critic_optimizer` on
    `critic_cost`, with gradients into the model stopped, and then the model's step
    on `cost` against the updated critic. A subclass assigns `critic`, a built layer,
    in `build` and calls `super().build(shapes)` last.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        critic_optimizer: Keras optimizer or its name. Defaults to `"adam"`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults
            to `1`.

    Raises:
        ValueError: If `num_critic_steps` is not positive.
    """

    critic = None

    def __init__(
        self,
        weight=1.0,
        critic_optimizer="adam",
        num_critic_steps=1,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(weight, name=name, dtype=dtype)
        if num_critic_steps < 1:
            raise ValueError(
                "`num_critic_steps` must be positive. "
                f"Received: num_critic_steps={num_critic_steps}"
            )
        self.critic_optimizer = keras.optimizers.get(critic_optimizer)
        self.num_critic_steps = num_critic_steps

    def build(self, shapes):
        """Builds the optimizer on the critic's weights, so that both are saved."""
        self.critic_optimizer.build(self.critic.trainable_variables)
        super().build(shapes)

    def critic_cost(self, forward, index):
        """Computes what the critic minimises.

        Args:
            forward: A `Forward` whose tensors pass no gradient to the model.
            index: Int, the number of the critic step within this model step, for
                fresh samples.

        Returns:
            Float32 scalar.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `critic_cost`."
        )

    def update_critic(self, forward):
        """Takes the critic's steps on a record with gradients stopped."""
        variables = self.critic.trainable_variables
        for index in range(self.num_critic_steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                cost = self.critic_cost(forward, index)
            gradients = tape.gradient(cost, [v.value for v in variables])
            apply_mean(self.critic_optimizer, gradients, variables)
