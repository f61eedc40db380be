"""The training step: critics, objective, gradients, schedules, logs, callbacks."""

import math

import keras
import tensorflow as tf

from tfvae.models.forward import Update
from tfvae.ops import replicas
from tfvae.ops.runtime import (
    graph_function,
    has_accelerator,
    keep_freed_memory,
    without_autotune,
)
from tfvae.ops.sequences import UNK_ID, lengths
from tfvae.seeds import as_seed, fold_in
from tfvae.text.batches import Batches, reader_errors

# Logged by callbacks; a model's own metrics are costs.
_LARGER_IS_BETTER = ("val_mi", "val_active_units", "val_latent_gain")


class Trainer(keras.Model):
    """What `fit` and `evaluate` of every model do with a list of terms.

    A subclass implements `forward` and `likelihood_metrics` and calls
    `_set_objective` at the end of its constructor.

    Attributes:
        monitor: Str, the validation metric by which checkpoints, early stopping and
            sweeps choose; lower is better unless `greater_is_better`. Defaults to
            `"val_loss"`, the objective with final weights.
        step: Keras variable, the number of full updates so far; it is saved with
            the model and drives schedules and seeds.
        loop: `TrainingLoop`, or `None` for one joint update a batch.
    """

    loop = None
    monitor = "val_loss"

    def _set_objective(self, objective, seed, loop=None):
        """Binds the terms and the loop; creates the step counter and the metrics."""
        if not objective:
            raise ValueError(
                "`objective` must hold a term, or be None for the default. Received: []"
            )
        names = [term.name for term in objective]
        if len(set(names)) < len(names):
            raise ValueError(
                "`objective` must hold terms of different names; pass `name=...` to "
                f"one of them. Received: {names}"
            )
        self.objective = list(objective)
        for term in self.objective:
            term.bind(self)
        self.critics = [term for term in self.objective if term.has_critic]
        self.seed = seed
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        if loop is not None:
            self.loop = loop
            loop.bind(self)
        self._means = {}
        self._perplexity = Perplexity()
        # Of passes in a training loop of one's own, which has no step of ours.
        self._pass_seeds = keras.random.SeedGenerator(seed, name="pass_seeds")
        self.built = True
        # What cannot be saved is refused here, not at the end of its training.
        self.get_config()

    @property
    def greater_is_better(self):
        """Whether more of what `monitor` names is better."""
        return self.monitor in _LARGER_IS_BETTER

    @property
    def validation_metrics(self):
        """The names of what `fit` logs of validation data, a tuple of str."""
        names = self._tested_names(self.example_inputs())
        return tuple(f"val_{name}" for name in names)

    @property
    def model_variables(self):
        """The trainable variables that the model's own optimizer updates."""
        of_critics = {
            id(variable)
            for term in self.critics
            for variable in term.critic.trainable_variables
        }
        return [v for v in self.trainable_variables if id(v) not in of_critics]

    def pass_seed(self, seed, training):
        """Returns the seed of a pass, int `[2]`, another each time in training."""
        if seed is None and training:
            return tf.cast(self._pass_seeds.next(), tf.int32)
        return as_seed(self.seed if seed is None else seed)

    @property
    def num_batches(self):
        """The number of training batches taken so far, an int."""
        taken = self.step if self.loop is None else self.loop.num_batches
        return int(taken.numpy())

    def compile(
        self,
        optimizer="adam",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Prepares the model for `fit`; the objective is the constructor's.

        Args:
            optimizer: Keras optimizer or its name. Clip by `global_clipnorm`, the
                norm over all gradients together. Defaults to `"adam"`.
            loss: Must be `None`, and so must `loss_weights`, `metrics` and
                `weighted_metrics`: the model's terms are its losses, and their means
                its metrics.
            loss_weights: See `loss`.
            metrics: See `loss`.
            weighted_metrics: See `loss`.
            run_eagerly: Whether to run step by step, for debugging.
            steps_per_execution: Positive int, batches in one call of the compiled
                step; `1` with a training loop. Defaults to `1`.
            jit_compile: Whether XLA compiles the steps, a program for each shape of
                batch; `"auto"` on an accelerator alone: TensorFlow's kernels are as
                fast on CPUs and begin at once. Several replicas do without.
            auto_scale_loss: Whether the loss is scaled under `mixed_float16`.

        Raises:
            ValueError: If an argument is given that the model has no use for.
        """
        unused = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in unused.items():
            if value is not None:
                raise ValueError(
                    f"`{name}` is not taken: the objective is a list of terms, given "
                    "to the model's constructor, and each term's mean is logged. Use "
                    f"`objective=[...]`. Received: {name}={value!r}"
                )
        if self.loop is not None and steps_per_execution != 1:
            raise ValueError(
                f"`steps_per_execution` must be 1 with `{type(self.loop).__name__}`, "
                f"which decides between steps. Received: {steps_per_execution}"
            )
        if jit_compile == "auto":
            jit_compile = has_accelerator()
        single = self.distribute_strategy.num_replicas_in_sync == 1
        jit_compile = jit_compile and single and not run_eagerly and self.supports_jit
        keep_freed_memory()
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        # Before the first step: an optimizer that is built by it would be restored
        # into a void and start anew.
        self.optimizer.build(self.model_variables)
        if self.loop is not None:
            self.loop.compile(self)

    def fit(self, x=None, *args, validation_data=None, callbacks=None, **options):
        """Trains the model; see `keras.Model.fit`.

        Args:
            x: `Batches`, each epoch of which comes in an order of its own, or a
                `tf.data.Dataset` of dicts with `"tokens"`, int `[B, T]`. Training goes
                on in `Batches` where the last `fit` stopped.
            *args: Other positional arguments of `keras.Model.fit`.
            validation_data: `Batches`, all sentences of which are measured, or a
                dataset, or `None`.
            callbacks: List of Keras callbacks, or `None`.
            **options: Other arguments of `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.
        """
        sources = x, validation_data
        if isinstance(x, Batches):
            options.setdefault("steps_per_epoch", len(x))
            first_epoch, rest = divmod(self.num_batches, len(x))
            x = x.repeated(first_epoch).skip(rest)
        if isinstance(validation_data, Batches):
            validation_data = validation_data.for_evaluation().dataset()
        x, validation_data = map(_ready, (x, validation_data))
        if isinstance(x, tf.data.Dataset):
            # Keras would warn that it cannot shuffle it.
            options.setdefault("shuffle", False)
        if self.loop is not None:
            x, options = self.loop.prepare(x, options)
        if not self._means:
            # A step that creates variables is traced twice, and fails on replicas.
            self.ready_logs(self.example_inputs())
        callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
        for callback in callbacks:
            # Keras cannot tell the direction of metrics that it did not make.
            if getattr(callback, "mode", None) == "auto":
                is_greater = callback.monitor in _LARGER_IS_BETTER
                callback.mode = "max" if is_greater else "min"
        # First, so that nothing is saved that is no number, and what others save has
        # the loop's decisions in it.
        own = [StopOnNaN(), FollowWeights()]
        if self.loop is not None:
            own.append(self.loop.callback(validation_data))
        with reader_errors(*sources):
            return super().fit(
                x,
                *args,
                validation_data=validation_data,
                callbacks=[*own, *callbacks],
                **options,
            )

    def evaluate(self, x=None, *args, **options):
        """Measures the objective at final weights; see `keras.Model.evaluate`.

        `x` may be `Batches`, all sentences of which are measured. For likelihoods and
        information use `tfvae.evaluate`.
        """
        data = x.for_evaluation().dataset() if isinstance(x, Batches) else x
        with reader_errors(x):
            return super().evaluate(_ready(data), *args, **options)

    def predict(self, x, *args, **options):
        """Computes what `predict_step` returns; see `keras.Model.predict`.

        `x` may be `Batches`, whose sentences are taken in the order of the text.
        """
        data = x.for_evaluation(sort=False).dataset() if isinstance(x, Batches) else x
        with reader_errors(x):
            return super().predict(_ready(data), *args, **options)

    def make_train_function(self, force=False):
        """Compiles the training step, or each phase of the loop."""
        if self.loop is None:
            return super().make_train_function(force)
        if self.train_function is not None and not force:
            return None
        steps = {
            name: self._make_function(step)
            for name, step in self.loop.phases(self).items()
        }
        if not self.run_eagerly:
            steps = {name: of_any_size(step) for name, step in steps.items()}
        self.train_function = lambda batches: self.loop.train_step(
            self, lambda name, batch: steps[name]([batch]), batches
        )

    def train_step(self, data):
        """Takes one full update: the critics first, then the model."""
        seed = fold_in(as_seed(self.seed), self.step.value)
        if replicas.num_replicas() > 1:
            seed = fold_in(seed, replicas.replica_id())
        variables = self.model_variables
        update, gradients = self.compute_gradients(data, seed, variables)
        replicas.apply_mean(self.optimizer, gradients, variables)
        self.end_update(update)
        return self.log(update)

    def end_update(self, update):
        """Counts a full update and lets the weights that follow costs move."""
        for term in self.objective:
            term.observe(update.costs)
        self.step.assign_add(1)

    def compute_gradients(self, data, seed, variables):
        """Lets the critics learn and computes the objective's gradients.

        Args:
            data: A batch as `fit` gives it.
            seed: Int tensor `[2]`.
            variables: List of Keras variables.

        Returns:
            Tuple of an `Update` and a list of gradients, `None` for a variable that
            the objective does not depend on.
        """
        inputs, sample_weight = unpack(data)
        with tf.GradientTape() as tape:
            forward = self.forward(inputs, seed=seed, training=True)
            with tape.stop_recording():
                for term in self.critics:
                    term.update_critic(forward.detached())
            update = self.compute_update(forward, sample_weight)
            loss = update.loss
            if self.compiled:
                # Against float16 gradients that underflow.
                loss = self.optimizer.scale_loss(loss)
        return update, self.gradients(tape, loss, variables)

    def compute_update(self, forward, sample_weight=None):
        """Computes the `Update` of a record at the present step."""
        found = self.loss_and_costs(forward, self.step.value, sample_weight)
        return Update(forward, *found, sample_weight)

    @staticmethod
    def gradients(tape, loss, variables):
        """Returns a loss's gradients as dense tensors, `None` where there is none."""
        found = tape.gradient(loss, [variable.value for variable in variables])
        return [None if g is None else tf.convert_to_tensor(g) for g in found]

    def test_step(self, data):
        """Measures one batch, each weight at the end of its schedule."""
        inputs, sample_weight = unpack(data)
        return self.log(self._tested(inputs, sample_weight))

    def _tested(self, inputs, sample_weight=None):
        """Passes a batch through the model without dropout, at final weights."""
        forward = self.test_forward(inputs)
        loss, costs, _ = self.loss_and_costs(forward, None, sample_weight)
        costs = {**costs, **self.test_metrics(forward)}
        return Update(forward, loss, costs, {}, sample_weight)

    def _tested_names(self, inputs):
        """Lists the names of what validation logs of a batch."""
        update = self._tested(inputs)
        return ["loss", *{**update.costs, **self.likelihood_metrics(update.forward)}]

    def test_forward(self, inputs):
        """Computes the `Forward` of a batch that validation measures."""
        return self.forward(inputs, seed=self.batch_seed(inputs))

    def test_metrics(self, forward):
        """Computes metrics of validation beside the costs, a dict of float32 `[B]`."""
        return {}

    def batch_seed(self, inputs):
        """Derives a seed from a batch's content, for tests in any order."""
        seed = as_seed(self.seed)
        for key in ("tokens", *self.requires):
            ids = tf.reshape(inputs[key], [-1])
            place = tf.range(1, tf.size(ids) + 1)
            seed = fold_in(seed, tf.reduce_sum(tf.cast(ids, tf.int32) * place))
        return seed

    def example_inputs(self):
        """Returns inputs of one row, to look at what is computed of them."""
        word = tf.constant([[UNK_ID]])
        examples = {"tokens": word, "context": word, "label": tf.constant([0])}
        return {key: examples[key] for key in ("tokens", *self.requires)}

    def loss_and_costs(self, forward, step, sample_weight=None, terms=None):
        """Adds up the objective, and the losses of regularizers if there are any.

        Args:
            forward: A `Forward`.
            step: Int scalar tensor, or `None` for the final weights.
            sample_weight: Float tensor `[B]` that multiplies the costs of each
                sentence in the loss, or `None`. A term of the whole batch, such as
                `MMD`, is multiplied by its mean.
            terms: List of `Term`s to add up in place of all that; or `None`.

        Returns:
            Tuple of the scalar loss, a dict of unweighted costs `[B]` and a dict of
            weights.
        """
        total, costs, weights = tf.constant(0.0), {}, {}
        for term in self.objective if terms is None else terms:
            of_term = counted = term.costs(forward)
            if sample_weight is not None:
                counted = {k: cost * sample_weight for k, cost in of_term.items()}
            weighted, by_name = term.weighted(counted, step)
            total += weighted
            costs.update(of_term)
            weights.update(by_name)
        if self.losses and terms is None:
            regularization = tf.cast(tf.add_n(self.losses), tf.float32)
            total += regularization
            rows = tf.shape(forward.inputs["tokens"])[:1]
            costs["regularization"] = tf.fill(rows, regularization)
        return total, costs, weights

    @property
    def metrics(self):
        """The running means behind the logs."""
        return [*self._means.values(), self._perplexity]

    def log(self, update, *, bounded=True):
        """Updates the running means and returns the logs.

        Args:
            update: `Update`.
            bounded: Whether the record's likelihoods are of samples of the posterior,
                without which there are no bounds: those are NaN then.

        Returns:
            Dict of float32 scalars.
        """
        forward, loss, costs, weights, sample_weight = update
        likelihoods = self.likelihood_metrics(forward)
        if not bounded:
            likelihoods = {
                name: cost * float("nan") for name, cost in likelihoods.items()
            }
        num_sentences = tf.shape(forward.inputs["tokens"])[0]
        for name, cost in {**costs, **likelihoods}.items():
            self._mean(name).update_state(cost, sample_weight=sample_weight)
        # A replica's last batch may be empty, and a mean over it is no number.
        loss = tf.where(num_sentences > 0, loss, 0.0)
        self._mean("loss").update_state(loss, sample_weight=num_sentences)
        if likelihoods:
            num_tokens = lengths(forward.inputs["tokens"]) + 1
            cost = next(iter(likelihoods.values()))
            self._perplexity.update_state(cost, num_tokens)
        means = list(self._means.values())
        return replicas.logs(self.metrics if likelihoods else means, weights)

    def ready_logs(self, inputs):
        """Creates the running means; replicas cannot in the midst of a step."""
        for name in self._tested_names(inputs):
            self._mean(name)

    def _mean(self, name):
        if name not in self._means:
            self._means[name] = keras.metrics.Mean(name=name)
        return self._means[name]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: all is built, and batches of replicas have no mean."""


class Perplexity(keras.metrics.Metric):
    """Corpus perplexity: `exp(total nats / total tokens)`, `</s>` counted."""

    def __init__(self, name="perplexity"):
        super().__init__(name=name)
        self.nats = self.add_variable((), "zeros", name="nats")
        self.tokens = self.add_variable((), "zeros", name="tokens")

    def update_state(self, costs, num_tokens):
        """Adds costs `[B]` in nats per sentence and token counts `[B]`."""
        self.nats.assign_add(tf.reduce_sum(costs))
        self.tokens.assign_add(tf.reduce_sum(tf.cast(num_tokens, tf.float32)))

    def result(self):
        """Returns the perplexity so far."""
        return tf.exp(self.nats.value / tf.maximum(self.tokens.value, 1.0))


def unpack(data):
    """Splits a batch as `fit` gives it into inputs and weights of the sentences.

    Args:
        data: Dict of tensors, or a tuple `(inputs, None, sample_weight)`.

    Returns:
        Tuple of the dict and a float32 tensor `[B]` or `None`.

    Raises:
        ValueError: If there are targets, or inputs are no dict.
    """
    inputs, targets, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if targets is not None or not isinstance(inputs, dict):
        received = "targets `y`" if targets is not None else type(inputs).__name__
        raise ValueError(
            "A batch must be a dict with 'tokens', int [B, T], or a tuple of that "
            "dict, None and sample weights [B]: a sentence is its own target. "
            f"Received: {received}. Tokenize text by `Batches`."
        )
    if sample_weight is not None:
        sample_weight = tf.cast(sample_weight, tf.float32)
    return inputs, sample_weight


def of_any_size(function):
    """Makes a function of tensors that is traced once, whatever their sizes.

    A graph that was traced for the sizes of its first batch may round otherwise than
    one for any sizes, and which of them a run has would depend on where it was resumed.

    Args:
        function: Function of a nest of tensors and `None`s.

    Returns:
        Function of the same.
    """
    traced = {}

    def call(nest):
        flat = tf.nest.flatten(nest)
        tensors = [tf.convert_to_tensor(each) for each in flat if each is not None]
        key = tuple((each.dtype, each.shape.rank) for each in tensors)
        if key not in traced:
            places = [each is not None for each in flat]

            def on_tensors(*given):
                given = iter(given)
                filled = [next(given) if place else None for place in places]
                return function(tf.nest.pack_sequence_as(nest, filled))

            specs = [tf.TensorSpec([None] * rank, dtype) for dtype, rank in key]
            traced[key] = graph_function(on_tensors, input_signature=specs)
        return traced[key](*tensors)

    return call


def _ready(data):
    """Turns the tuning of a dataset's threads off, whose end may hold a pass up."""
    return without_autotune(data) if isinstance(data, tf.data.Dataset) else data


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
