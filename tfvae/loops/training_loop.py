"""What every training loop offers: updates other than one of everything a batch."""

import keras
import tensorflow as tf

from tfvae.layers.component import Component
from tfvae.text.batches import without_autotune


class TrainingLoop(Component):
    """Decides which updates a model takes, on which batches and in which order.

    A loop names phases, each a function of a batch that takes one update and is
    compiled once as its own training step. A full update is made of one or several
    of them and chosen by `train_step`, plain Python between compiled steps, so that
    an optimizer's update never stands in a branch of a graph. What a loop has to
    remember is in its weights and is saved with the model.

    A subclass implements `phases` and, where it needs more than that,
    `train_step`, `measure`, `on_epoch_end`, `compile`, `prepare`, `check` and `build`.

    Attributes:
        num_batches: Keras variable, how many batches were taken from the stream.
        num_pretraining_steps: Int, full updates before the model's step 0.
        in_final_phase: Whether validation metrics may choose a model and end training.
    """

    num_pretraining_steps = 0
    in_final_phase = True

    def bind(self, model):
        """Checks that the loop can train a model and creates what it remembers."""
        self.check(model)
        if not self.built:
            self.build()

    def check(self, model):
        """Refuses a model that this loop cannot train.

        Raises:
            ValueError: If the model has no latent.
        """
        if model.posterior is None:
            raise ValueError(
                f"`{type(self).__name__}` trains an encoder and a decoder by turns. "
                "Use it in a `VAE`. Received: a model without a posterior"
            )

    def build(self):
        """Creates what the loop remembers."""
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
        """Prepares what `TextModel.compile` does not know of."""

    def phases(self, model):
        """Returns the phases of a model, a dict from name to a function.

        Each function takes a batch as `fit` gives it, updates the model and returns a
        dict of tensors.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `phases`.")

    def train_step(self, model, run, batches):
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
        raise NotImplementedError(f"{type(self).__name__} must implement `train_step`.")

    def measure(self, model, validation_data):
        """Measures at an epoch's end what the loop decides by.

        Args:
            model: `TextModel`.
            validation_data: `tf.data.Dataset` of batches as `fit` gives them, or
                `None`.

        Returns:
            Dict of floats that are added to the epoch's logs.
        """
        return {}

    def on_epoch_end(self, model, logs):
        """Decides at an epoch's end; `logs` is a dict of the epoch's metrics."""

    def callback(self, validation_data=None):
        """Creates the Keras callback by which the loop decides at an epoch's end.

        Args:
            validation_data: What `fit` validates on, or `None`.
        """
        return EpochEnd(validation_data)

    def prepare(self, data, options):
        """Prepares what `fit` received for the order in which batches are taken.

        Args:
            data: What `fit` trains on.
            options: Dict of the other arguments of `fit`.

        Returns:
            Tuple of the two, changed where the loop needs it.
        """
        return data, options

    def copied_optimizer(self, model, variables):
        """Creates an optimizer of the same kind as the model's, for updates apart.

        Its learning rate is 0 until it is assigned: a schedule would count the updates
        of each optimizer.

        Args:
            model: A compiled model.
            variables: List of the variables that it updates.

        Returns:
            Keras optimizer.

        Raises:
            ValueError: If the optimizer scales the loss, which several optimizers would
                do differently.
        """
        if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                f"`{type(self).__name__}` does not work with loss scaling. Use the "
                "dtype policy 'mixed_bfloat16' or 'float32'. "
                "Received: a `LossScaleOptimizer`"
            )
        config = {**model.optimizer.get_config(), "learning_rate": 0.0}
        optimizer = type(model.optimizer).from_config(config)
        optimizer.build(variables)
        return optimizer

    def next_batch(self, batches):
        """Returns the next batch and counts it, or `None` if there is none."""
        batch = next(batches, None)
        if batch is not None:
            self.num_batches.assign_add(1)
        return batch


class EpochEnd(keras.callbacks.Callback):
    """Lets the model's loop measure and decide at the end of an epoch.

    Args:
        validation_data: What `fit` validates on, or `None`.

    Attributes:
        validation_data: The same as a `tf.data.Dataset`; `None` for what has no
            second pass, such as a generator.
    """

    def __init__(self, validation_data):
        super().__init__()
        self.validation_data = _as_dataset(validation_data)

    def on_train_begin(self, logs=None):
        """Refuses to train on several replicas.

        Raises:
            ValueError: If the model was made for more than one.
        """
        num_replicas = self.model.distribute_strategy.num_replicas_in_sync
        if num_replicas > 1:
            raise ValueError(
                f"`{type(self.model.loop).__name__}` trains on one device alone. Make "
                "the model outside of the strategy's scope, or without `loop`. "
                f"Received: {num_replicas} replicas"
            )

    def on_epoch_end(self, epoch, logs=None):
        """Adds what the loop measures to the epoch's metrics, and passes them over."""
        logs = {} if logs is None else logs
        loop = self.model.loop
        logs.update(loop.measure(self.model, self.validation_data))
        loop.on_epoch_end(self.model, logs)


def _as_dataset(validation_data):
    """Returns validation data as a dataset; what can be read only once is `None`."""
    if validation_data is None or isinstance(validation_data, tf.data.Dataset):
        return validation_data
    inputs = keras.utils.unpack_x_y_sample_weight(validation_data)[0]
    if not isinstance(inputs, dict):
        return None
    return without_autotune(tf.data.Dataset.from_tensor_slices(inputs).batch(32))


def number(tensor):
    """Reads a scalar tensor or variable on the host."""
    return tf.convert_to_tensor(tensor).numpy().item()
