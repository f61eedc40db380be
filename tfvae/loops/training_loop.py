"""What every training loop offers, and an update of its own for each term."""

import keras
import tensorflow as tf

from tfvae.layers.component import Component
from tfvae.models.forward import Update
from tfvae.models.trainer import unpack
from tfvae.ops.runtime import without_autotune
from tfvae.seeds import as_seed, fold_in


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


@keras.saving.register_keras_serializable("tfvae")
class Alternating(TrainingLoop):
    """Updates a model by one term of its objective after the other.

    On each batch, and for each term in the objective's order: the batch is passed
    through the model as it is by then, the term's critic learns if it has one, and one
    update follows the gradient of that term alone, times its weight. Each term has an
    optimizer of its own, the first one that of the model, the others copies with the
    same learning rate; so a bound on the gradient's norm acts on each term's gradient.
    A network that is the prior is updated by one more.

    The batch passes through the whole model once for each term, and the model's step
    counts batches. Losses of regularizers do not count.

    Args:
        prior_optimizer: Keras optimizer or its name for the prior's weights, or `None`
            for Adam of learning rate 1e-4 and `beta_1=0.5`, the released one. Of a
            prior without weights it has nothing to do.

    Raises:
        ValueError: In a model without a latent, or if the loss is scaled.

    References:
        Zhao et al. 2018, Adversarially Regularized Autoencoders, algorithm 1, and the
        released code of it and of Fang et al. 2019: autoencoder, classifier, encoder
        against classifier, critic, generator, encoder against critic. There encoder
        and decoders have SGD and the generator Adam.
    """

    def __init__(self, prior_optimizer=None, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if prior_optimizer is None:
            prior_optimizer = keras.optimizers.Adam(1e-4, 0.5, 0.999, epsilon=1e-8)
        self.prior_optimizer = keras.optimizers.get(prior_optimizer)
        self.term_optimizers = []

    def compile(self, model):
        """Creates the optimizers of all terms but the first.

        Raises:
            ValueError: If the optimizer scales the loss.
        """
        of_prior, others = sides(model, model.prior.trainable_variables)
        self.term_optimizers = [
            self.copied_optimizer(model, others) for _ in model.objective[1:]
        ]
        self.prior_optimizer.build(of_prior)

    def phases(self, model):
        """Returns the updates by all terms, which always follow each other, as one."""
        return {"terms": lambda data: self._update(model, data)}

    def train_step(self, model, run, batches):
        """Takes the updates by all terms on one batch."""
        batch = self.next_batch(batches)
        if batch is None:
            raise StopIteration
        return run("terms", batch)

    def _update(self, model, data):
        inputs, sample_weight = unpack(data)
        seed = fold_in(as_seed(model.seed), model.step.value)
        rate = tf.convert_to_tensor(model.optimizer.learning_rate)
        of_prior, others = sides(model, model.prior.trainable_variables)
        records, total, costs, weights = [], tf.constant(0.0), {}, {}
        optimizers = [model.optimizer, *self.term_optimizers]
        for index, (term, optimizer) in enumerate(
            zip(model.objective, optimizers, strict=True)
        ):
            with tf.GradientTape() as tape:
                forward = model.forward(
                    inputs, seed=fold_in(seed, index), training=True
                )
                if term.has_critic:
                    with tape.stop_recording():
                        term.update_critic(forward.detached())
                loss, of_term, weight = model.loss_and_costs(
                    forward, model.step.value, sample_weight, [term]
                )
            gradients = model.gradients(tape, loss, of_prior + others)
            if index:
                optimizer.learning_rate.assign(rate)
            apply_found(self.prior_optimizer, gradients[: len(of_prior)], of_prior)
            apply_found(optimizer, gradients[len(of_prior) :], others)
            records.append(forward)
            total += loss
            costs.update(of_term)
            weights.update(weight)
        update = Update(records[0], total, costs, weights, sample_weight)
        model.end_update(update)
        return model.log(update)


def sides(model, part):
    """Splits the model's own variables into those of a part and all others."""
    of_part = {id(variable) for variable in part}
    variables = model.model_variables
    return (
        [v for v in variables if id(v) in of_part],
        [v for v in variables if id(v) not in of_part],
    )


def apply_found(optimizer, gradients, variables):
    """Updates the variables that a loss depends on, if there are any."""
    pairs = [
        pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None
    ]
    if pairs:
        optimizer.apply(*zip(*pairs, strict=True))
