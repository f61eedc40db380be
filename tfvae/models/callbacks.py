"""The callbacks that `fit` adds by itself."""

import math

import keras
import tensorflow as tf


class DivergedError(ValueError):
    """Training has come to a loss or a weight that is no finite number."""


class StopOnNaN(keras.callbacks.Callback):
    """Ends training with an error at the first loss or weight that is no number.

    `fit` adds it by itself, before the callbacks that save.

    Raises:
        DivergedError: Naming the step and what was no number.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the running means, in which one such number stays."""
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            names = [term.name for term in self.model.objective]
            bad = [n for n in names if not math.isfinite(float(logs.get(n, 0.0)))]
            self._end(", ".join(f"`{name}`" for name in bad) or "the loss")

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the weights, before they are saved."""
        for weight in self.model.trainable_variables:
            if not bool(tf.reduce_all(tf.math.is_finite(weight.value))):
                self._end(f"the weight `{weight.path}`")

    def _end(self, what):
        raise DivergedError(
            f"Training stopped at step {int(self.model.step.numpy())}: {what} is no "
            "finite number any more. Lower the learning rate or the weight of that "
            "term, or bound the gradient's norm; what was saved before is kept."
        )


class FollowWeights(keras.callbacks.Callback):
    """Makes the training step anew where a term was given another schedule.

    A number takes effect without that, see `Term.weight`.
    """

    def on_train_begin(self, logs=None):
        """Notes the schedules that the step was made with."""
        self._known = self._schedules()

    def on_train_batch_begin(self, batch, logs=None):
        """Compares."""
        schedules = self._schedules()
        pairs = zip(schedules, self._known, strict=True)
        if any(new is not None and new is not old for new, old in pairs):
            self._known = schedules
            self.model.make_train_function(force=True)
            self.model.make_test_function(force=True)

    def _schedules(self):
        return [s for term in self.model.objective for s in term.schedules]
