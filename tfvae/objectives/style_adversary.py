"""Codes that do not tell the label of their sentence, by a classifier to mislead."""

import keras
import tensorflow as tf

from tfvae.checks import require_one_of
from tfvae.layers.dense import MLP
from tfvae.objectives.term import CriticTerm

_TARGETS = ("uniform", "flipped")


@keras.saving.register_keras_serializable("tfvae")
class StyleAdversary(CriticTerm):
    """Misleads a classifier that tells the label of a sentence from its code.

    The classifier minimises the cross entropy `-log p(label|z)`; the model minimises
    that of a wrong answer, `-sum over labels of t(label) * log p(label|z)`. With the
    uniform target `t` the cost is at least `log(num_labels)`, and equal to it where the
    classifier has no idea. A decoder that is told the label then takes it from there,
    and writes the same sentence in another style when it is told another one.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        target: `"uniform"`, no idea, for any number of labels; or `"flipped"`, the
            other of two labels, as released, which drives codes beyond that to where
            the classifier is wrong. Defaults to `"uniform"`.
        balanced: Whether each label of a batch counts alike, however many of its rows
            have it. Defaults to `True`.
        hidden_dims: Tuple of positive ints, widths of the classifier's ReLU layers.
            Defaults to `(128, 128)`.
        critic_optimizer: Keras optimizer or its name, or `None` for Adam of learning
            rate 1e-4, the released one.
        num_critic_steps: Positive int, steps of the classifier for one of the model.
            Defaults to `1`.

    Raises:
        ValueError: If `target` is unknown; when bound, if the model reads no label, or
            `"flipped"` meets more than two.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, section 5.2 and
        released code; Fang et al. 2019, section 4.3. There a batch has as many
        sentences of either label, and the target is flipped.
    """

    def __init__(
        self,
        weight=1.0,
        target="uniform",
        balanced=True,
        hidden_dims=(128, 128),
        critic_optimizer=None,
        num_critic_steps=1,
        *,
        name="style_adversary",
        dtype=None,
    ):
        if critic_optimizer is None:
            critic_optimizer = keras.optimizers.Adam(1e-4)
        super().__init__(
            weight, critic_optimizer, num_critic_steps, name=name, dtype=dtype
        )
        require_one_of("target", target, _TARGETS)
        self.target = target
        self.balanced = balanced
        self.hidden_dims = tuple(hidden_dims)

    def check(self, model):
        """Refuses a model that reads no label, or too many for the target."""
        super().check(model)
        if model.label_names is None:
            raise ValueError(
                "`StyleAdversary` needs labels: train with them (--label-column), or "
                "give the model a `LabelEncoder` as its `condition`. Received: a model "
                "that reads none"
            )
        if self.target == "flipped" and len(model.label_names) != 2:
            raise ValueError(
                "`target='flipped'` is for two labels. Use 'uniform'. Received: "
                f"{len(model.label_names)} labels"
            )

    def build(self, *, latent_dim, num_labels, **widths):
        """Creates the classifier."""
        self.num_labels = num_labels
        self.critic = MLP(latent_dim, self.hidden_dims, num_labels, name="classifier")
        super().build()

    def critic_cost(self, forward, index):
        """Computes the classifier's cross entropy in nats, a scalar."""
        chosen = self._marks(forward) * self._log_probs(forward)
        cost = -tf.reduce_mean(tf.reduce_sum(chosen, -1), 0)
        return tf.reduce_mean(self._row_weights(forward) * cost)

    def cost(self, forward):
        """Computes the cross entropy of the target `[B]` in nats."""
        log_probs = tf.reduce_mean(self._log_probs(forward), 0)
        if self.target == "uniform":
            cost = -tf.reduce_mean(log_probs, -1)
        else:
            cost = -tf.reduce_sum((1.0 - self._marks(forward)) * log_probs, -1)
        return self._row_weights(forward) * cost

    def _log_probs(self, forward):
        """Computes the classifier's log-probabilities, float32 `[S, B, K]`."""
        return tf.nn.log_softmax(tf.cast(self.critic(forward.z), tf.float32))

    def _marks(self, forward):
        """Returns labels as rows of zeros and a one, float32 `[B, K]`."""
        return tf.one_hot(forward.inputs["label"], self.num_labels)

    def _row_weights(self, forward):
        """Computes weights of mean 1 by which each label counts alike, `[B]`."""
        marks = self._marks(forward)
        if not self.balanced:
            return tf.ones_like(marks[:, 0])
        counts = tf.reduce_sum(marks, 0)
        num_found = tf.reduce_sum(tf.cast(counts > 0.0, tf.float32))
        own = tf.reduce_sum(marks * counts, -1)
        return tf.reduce_sum(counts) / (num_found * own)
