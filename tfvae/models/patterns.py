"""What every training pattern offers: updates other than one of everything a batch."""

import keras
import tensorflow as tf

from tfvae.layers.part import Part


class TrainingPattern(Part):
    """Decides which updates a model takes, on which batches and in which order.

    A pattern names phases, each a function of a batch that takes one update and is
    compiled once as its own training step. A full update is made of one or several
    of them and chosen by `full_update`, plain Python between compiled steps, so that
    an optimizer's update never stands in a branch of a graph. What a pattern has to
    remember is in its weights and is saved with the model.

    A subclass implements `phases` and, where it needs more than that,
    `full_update`, `end_epoch`, `compile`, `stream` and `check`.

    Attributes:
        num_batches: Keras variable, how many batches were taken from the stream.
        num_steps_before: Int, full updates before the model's step 0.
        is_settled: Whether validation figures may choose a model and end training.
    """

    num_steps_before = 0
    is_settled = True

    def check(self, model):
        """Refuses a model that this pattern cannot train.

        Raises:
            ValueError: If the model has no latent.
        """
        if model.posterior is None:
            raise ValueError(
                f"`{type(self).__name__}` trains an encoder and a decoder by turns. "
                "Use it in a `VAE`. Received: a model without a posterior"
            )

    def build(self, shapes):
        """Creates what the pattern remembers."""
        self.num_batches = self.counter("num_batches")
        self.built = True

    def counter(self, name, start=0):
        """Creates an int64 weight that is not trained."""
        return self.add_weight(
            name=name,
            shape=(),
            dtype="int64",
            initializer=keras.initializers.Constant(start),
            trainable=False,
        )

    def compile(self, model):
        """Readies what `TextModel.compile` does not know of."""

    def phases(self, model):
        """Gives the phases of a model, a dict from name to a function.

        Each function takes a batch as `fit` gives it, updates the model and returns a
        dict of tensors.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `phases`.")

    def full_update(self, model, run, batches):
        """Takes one full update.

        Args:
            model: `TextModel`.
            run: Function of a phase's name and a batch, which gives the phase's dict.
            batches: Iterator.

        Returns:
            Dict of scalars, the logs.

        Raises:
            StopIteration: If there is no batch.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `full_update`."
        )

    def end_epoch(self, model, logs):
        """Decides at an epoch's end; `logs` is a dict of the epoch's figures."""

    def stream(self, data, options):
        """Readies what `fit` received for the order in which batches are taken.

        Args:
            data: What `fit` trains on.
            options: Dict of the other arguments of `fit`.

        Returns:
            Tuple of the two, changed where the pattern needs it.
        """
        return data, options

    def take(self, batches):
        """Gives the next batch and counts it, or `None` if there is none."""
        batch = next(batches, None)
        if batch is not None:
            self.num_batches.assign_add(1)
        return batch


class EpochEnd(keras.callbacks.Callback):
    """Lets the model's pattern decide at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Hands the epoch's figures over."""
        self.model.pattern.end_epoch(self.model, logs or {})


def number(tensor):
    """Reads a scalar tensor or variable on the host."""
    return tf.convert_to_tensor(tensor).numpy().item()
