"""The training step: critics, objective, gradients, schedules, logs."""

import keras
import tensorflow as tf

from tfvae.models.forward import Update
from tfvae.ops import replicas
from tfvae.ops.sequences import lengths
from tfvae.seeds import as_seed, fold_in
from tfvae.text.batches import Batches, without_autotune


class Trainer(keras.Model):
    """What `fit` and `evaluate` of every model do with a list of terms.

    A subclass implements `forward` and `likelihood_metrics` and calls
    `_set_objective` at the end of its constructor.

    Attributes:
        step: Keras variable, the number of full updates so far; it is saved with
            the model and drives schedules and seeds.
        loop: `TrainingLoop`, or `None` for one joint update a batch.
    """

    loop = None

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
        self.built = True

    @property
    def model_variables(self):
        """The trainable variables that the model's own optimizer updates."""
        of_critics = {
            id(variable)
            for term in self.critics
            for variable in term.critic.trainable_variables
        }
        return [v for v in self.trainable_variables if id(v) not in of_critics]

    @property
    def num_batches(self):
        """The number of training batches taken so far, an int."""
        taken = self.step if self.loop is None else self.loop.num_batches
        return int(taken.numpy())

    def compile(self, optimizer="adam", *, jit_compile="auto", run_eagerly=False):
        """Prepares the model for `fit`; the objective is the constructor's.

        Args:
            optimizer: Keras optimizer or its name. Clip by `global_clipnorm`, the
                norm over all gradients together. Defaults to `"adam"`.
            jit_compile: Whether XLA compiles the steps; `"auto"` where the components
                allow it.
            run_eagerly: Whether to run step by step, for debugging.
        """
        if jit_compile == "auto":
            # Keras's own "auto" leaves XLA off on machines without an accelerator.
            single = self.distribute_strategy.num_replicas_in_sync == 1
            jit_compile = single and not run_eagerly and self.supports_jit
        super().compile(
            optimizer=optimizer, jit_compile=jit_compile, run_eagerly=run_eagerly
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
            if not isinstance(callbacks, (list, tuple)):
                callbacks = [] if callbacks is None else [callbacks]
            # First, so that what others save has its decisions in it.
            callbacks = [self.loop.callback(), *callbacks]
        return super().fit(
            x, *args, validation_data=validation_data, callbacks=callbacks, **options
        )

    def evaluate(self, x=None, *args, **options):
        """Measures the objective at final weights; see `keras.Model.evaluate`.

        `x` may be `Batches`, all sentences of which are measured. For likelihoods and
        information use `tfvae.evaluate`.
        """
        if isinstance(x, Batches):
            x = x.for_evaluation().dataset()
        return super().evaluate(_ready(x), *args, **options)

    def predict(self, x, *args, **options):
        """Computes what `predict_step` returns; see `keras.Model.predict`.

        `x` may be `Batches`, whose sentences are taken in the order of the text.
        """
        if isinstance(x, Batches):
            x = x.for_evaluation(sort=False).dataset()
        return super().predict(_ready(x), *args, **options)

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
        self.step.assign_add(1)
        return self.log(update)

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
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        with tf.GradientTape() as tape:
            forward = self.forward(inputs, seed=seed, training=True)
            with tape.stop_recording():
                for term in self.critics:
                    term.update_critic(forward.detached())
            update = self.compute_update(forward)
        return update, self.gradients(tape, update.loss, variables)

    def compute_update(self, forward):
        """Computes the `Update` of a record at the present step."""
        return Update(forward, *self.loss_and_costs(forward, self.step.value))

    @staticmethod
    def gradients(tape, loss, variables):
        """Returns a loss's gradients as dense tensors, `None` where there is none."""
        found = tape.gradient(loss, [variable.value for variable in variables])
        return [None if g is None else tf.convert_to_tensor(g) for g in found]

    def test_step(self, data):
        """Measures one batch, each weight at the end of its schedule."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        forward = self.forward(inputs, seed=self.batch_seed(inputs))
        loss, costs, _ = self.loss_and_costs(forward, None)
        return self.log(Update(forward, loss, costs, {}))

    def batch_seed(self, inputs):
        """Derives a seed from a batch's content, for tests in any order."""
        tokens = inputs["tokens"]
        place = tf.range(1, tf.size(tokens) + 1)
        content = tf.reduce_sum(tf.reshape(tokens, [-1]) * place)
        return fold_in(as_seed(self.seed), content)

    def loss_and_costs(self, forward, step):
        """Adds up the objective.

        Args:
            forward: A `Forward`.
            step: Int scalar tensor, or `None` for the final weights.

        Returns:
            Tuple of the scalar loss, a dict of costs `[B]` and a dict of weights.
        """
        total, costs, weights = tf.constant(0.0), {}, {}
        for term in self.objective:
            of_term = term.costs(forward)
            weighted, by_name = term.weighted(of_term, step)
            total += weighted
            costs.update(of_term)
            weights.update(by_name)
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
        forward, loss, costs, weights = update
        likelihoods = self.likelihood_metrics(forward)
        if not bounded:
            likelihoods = {
                name: cost * float("nan") for name, cost in likelihoods.items()
            }
        num_sentences = tf.shape(forward.inputs["tokens"])[0]
        for name, cost in {**costs, **likelihoods}.items():
            self._mean(name).update_state(cost)
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
        forward = self.forward(inputs)
        costs = self.loss_and_costs(forward, None)[1]
        for name in ("loss", *costs, *self.likelihood_metrics(forward)):
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


def _ready(data):
    """Turns the tuning of a dataset's threads off, whose end may hold a pass up."""
    return without_autotune(data) if isinstance(data, tf.data.Dataset) else data
