"""Training and testing, shared by every model."""

import keras
import tensorflow as tf

from tfvae.kernels import replicas
from tfvae.kernels.sequences import lengths
from tfvae.models.assembled_model import AssembledModel
from tfvae.models.assembly import build as build
from tfvae.models.assembly import check_tokenizer as check_tokenizer
from tfvae.models.patterns import EpochEnd
from tfvae.models.perplexity import Perplexity
from tfvae.models.sampling import generate, get_sampler
from tfvae.models.update import Update
from tfvae.seeds import as_seed, fold_in


class TextModel(AssembledModel):
    """A model of sentences trained on a list of terms.

    A subclass implements `forward`, `bounds` and `draw_memory`, calls
    `_set_objective` at the end of its constructor, and sets `monitor`.

    Attributes:
        monitor: Name of the validation figure that early stopping, checkpoints and
            sweeps should watch; lower is better.
        step: Keras variable, the number of full updates so far; it is saved with
            the model and drives schedules and seeds.
    """

    monitor = "val_nll"
    # Parts that a language model does not have; terms look at them.
    encoder = posterior = prior = None
    pattern = None

    def _set_objective(self, objective, shapes, seed, pattern=None):
        """Checks and builds the terms, the pattern, the step counter and metrics."""
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
            term.check(self)
            build(term, shapes)
        self.critics = [t for t in self.objective if hasattr(t, "update_critic")]
        self.seed = seed
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        if pattern is not None:
            self.pattern = pattern
            pattern.check(self)
            build(pattern, shapes)
        self._means = {}
        self._perplexity = Perplexity()
        self.built = True

    def forward(self, inputs, *, num_samples=None, seed=None, training=False):
        """Passes a batch through the model.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            num_samples: Positive int `S`, or `None` for the constructor's.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.
            training: Whether dropout acts.

        Returns:
            A `Forward`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `forward`.")

    def bounds(self, forward):
        """Gives figures that are always logged, a dict of float32 `[B]`.

        The first of them is the cost of a sentence that perplexity is taken of.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `bounds`.")

    def call(self, inputs, training=False):
        """Gives `log p(x|z)`, float32 `[B]` in nats, at one posterior sample."""
        forward = self.forward(inputs, num_samples=1, training=training)
        return forward.log_likelihood[0]

    @property
    def model_variables(self):
        """The trainable variables that the model's own optimizer updates."""
        of_critics = {
            id(variable)
            for term in self.critics
            for variable in term.critic.trainable_variables
        }
        return [v for v in self.trainable_variables if id(v) not in of_critics]

    def compile(self, optimizer="adam", *, jit_compile="auto", run_eagerly=False):
        """Readies the model for `fit`; the objective is the constructor's.

        Args:
            optimizer: Keras optimizer or its name. Clip by `global_clipnorm`, the
                norm over all gradients together. Defaults to `"adam"`.
            jit_compile: Whether XLA compiles the steps; `"auto"` where the parts
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
        if self.pattern is not None:
            self.pattern.compile(self)

    def fit(self, x=None, *args, callbacks=None, **options):
        """Trains the model; see `keras.Model.fit`, and the model's pattern if any."""
        if self.pattern is not None:
            x, options = self.pattern.stream(x, options)
            if not isinstance(callbacks, (list, tuple)):
                callbacks = [] if callbacks is None else [callbacks]
            # First, so that what others save has its decisions in it.
            callbacks = [EpochEnd(), *callbacks]
        return super().fit(x, *args, callbacks=callbacks, **options)

    def make_train_function(self, force=False):
        """Compiles the training step, or each phase of the pattern."""
        if self.pattern is None:
            return super().make_train_function(force)
        if self.train_function is not None and not force:
            return None
        steps = {
            name: self._make_function(step)
            for name, step in self.pattern.phases(self).items()
        }
        self.train_function = lambda batches: self.pattern.full_update(
            self, lambda name, batch: steps[name]([batch]), batches
        )

    def draw_memory(self, num, seed):
        """Draws what the decoder reads to write `num` sentences, float `[num, U]`."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `draw_memory`."
        )

    def generate(self, num, *, sampler="ancestral", max_length=60, seed=None):
        """Writes `num` sentences, from draws of the prior where there is a latent.

        Args:
            num: Positive int.
            sampler: `Sampler` or its name. Defaults to `"ancestral"`.
            max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
            seed: Int, pair of ints or int tensor `[2]`; `None` for the model's.

        Returns:
            Int32 tensor `[num, max_length]`, `</s>` and padding after the last word.
        """
        seed = as_seed(self.seed if seed is None else seed)
        memory = self.draw_memory(num, fold_in(seed, 0))
        sampler = get_sampler(sampler)
        return generate(self.decoder, memory, sampler, max_length, fold_in(seed, 1))

    def train_step(self, data):
        """Takes one full update: the critics first, then the model."""
        seed = fold_in(as_seed(self.seed), self.step.value)
        if replicas.num_replicas() > 1:
            seed = fold_in(seed, replicas.replica_id())
        variables = self.model_variables
        update, gradients = self.differentiate(data, seed, variables)
        replicas.apply_mean(self.optimizer, gradients, variables)
        self.step.assign_add(1)
        return self.log(update)

    def differentiate(self, data, seed, variables):
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
            update = self.updated(forward)
        return update, self.gradients(tape, update.loss, variables)

    def updated(self, forward):
        """Gives the `Update` of a record at the present step."""
        return Update(forward, *self.loss_and_costs(forward, self.step.value))

    @staticmethod
    def gradients(tape, loss, variables):
        """Gives a loss's gradients as dense tensors, `None` where there is none."""
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
        """Updates the running means and gives the logs.

        Args:
            update: `Update`.
            bounded: Whether the record's likelihoods are of samples of the posterior,
                without which there are no bounds: those are NaN then.

        Returns:
            Dict of float32 scalars.
        """
        forward, loss, costs, weights = update
        bounds = self.bounds(forward)
        if not bounded:
            bounds = {name: cost * float("nan") for name, cost in bounds.items()}
        num_sentences = tf.shape(forward.inputs["tokens"])[0]
        for name, cost in {**costs, **bounds}.items():
            self._mean(name).update_state(cost)
        # A replica's last batch may be empty, and a mean over it is no number.
        loss = tf.where(num_sentences > 0, loss, 0.0)
        self._mean("loss").update_state(loss, sample_weight=num_sentences)
        if bounds:
            num_tokens = lengths(forward.inputs["tokens"]) + 1
            self._perplexity.update_state(next(iter(bounds.values())), num_tokens)
        means = list(self._means.values())
        return replicas.logs(self.metrics if bounds else means, weights)

    def ready_logs(self, inputs):
        """Creates the running means; replicas cannot in the midst of a step."""
        forward = self.forward(inputs)
        costs = self.loss_and_costs(forward, None)[1]
        for name in ("loss", *costs, *self.bounds(forward)):
            self._mean(name)

    def _mean(self, name):
        if name not in self._means:
            self._means[name] = keras.metrics.Mean(name=name)
        return self._means[name]
