"""Training and testing, shared by every model."""

import keras
import tensorflow as tf

from tfvae.kernels.sequences import lengths
from tfvae.layers.part import config_of, from_config
from tfvae.seeds import as_seed, fold_in


def build(part, shape):
    """Builds a part unless it is: one that two models share keeps its weights."""
    if not part.built:
        part.build(shape)


def check_tokenizer(tokenizer, decoder):
    """Refuses a tokenizer of another vocabulary size than the decoder's.

    A tokenizer that is being loaded gets its vocabulary after the constructor.

    Raises:
        ValueError: If the sizes differ.
    """
    if tokenizer is None or not tokenizer.has_vocabulary:
        return
    if tokenizer.vocabulary_size != decoder.vocabulary_size:
        raise ValueError(
            "`tokenizer` and `decoder` need one `vocabulary_size`. Received: "
            f"{tokenizer.vocabulary_size} and {decoder.vocabulary_size}"
        )


class Perplexity(keras.metrics.Metric):
    """Corpus perplexity: `exp(total nats / total tokens)`, `</s>` counted."""

    def __init__(self, name="perplexity"):
        super().__init__(name=name)
        self.nats = self.add_variable((), "zeros", name="nats")
        self.tokens = self.add_variable((), "zeros", name="tokens")

    def update_state(self, costs, num_tokens):
        """Adds costs `[B]` in nats a sentence and token counts `[B]`."""
        self.nats.assign_add(tf.reduce_sum(costs))
        self.tokens.assign_add(tf.reduce_sum(tf.cast(num_tokens, tf.float32)))

    def result(self):
        """Gives the perplexity so far."""
        return tf.exp(self.nats.value / tf.maximum(self.tokens.value, 1.0))


class TextModel(keras.Model):
    """A model of sentences trained on a list of terms.

    A subclass implements `forward` and `bounds`, calls `_set_objective` at the end
    of its constructor, and sets `monitor`.

    Attributes:
        monitor: Name of the validation figure that early stopping, checkpoints and
            sweeps should watch; lower is better.
        step: Keras variable, the number of full updates so far; it is saved with
            the model and drives schedules and seeds.
    """

    monitor = "val_nll"
    # Parts that a language model does not have; terms look at them.
    encoder = posterior = prior = None

    def _set_objective(self, objective, shapes, seed):
        """Checks and builds the terms, the step counter and the metrics."""
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
            name="step", shape=(), dtype="int64", initializer="zeros", trainable=False
        )
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

    def get_config(self):
        """Returns the constructor's arguments."""
        return config_of(self)

    @classmethod
    def from_config(cls, config):
        """Makes the model again from `get_config`."""
        return from_config(cls, config)

    def get_compile_config(self):
        """Returns what `compile` received, for saving; `None` before `compile`."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        """Compiles as saved."""
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        self.compile(optimizer, jit_compile=config["jit_compile"])

    def train_step(self, data):
        """Takes one full update: the critics first, then the model."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        step = self.step.value
        seed = fold_in(as_seed(self.seed), step)
        variables = self.model_variables
        with tf.GradientTape() as tape:
            forward = self.forward(inputs, seed=seed, training=True)
            with tape.stop_recording():
                for term in self.critics:
                    term.update_critic(forward.detached())
            loss, costs, weights = self.loss_and_costs(forward, step)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(
            [None if g is None else tf.convert_to_tensor(g) for g in gradients],
            variables,
        )
        self.step.assign_add(1)
        return self._log(forward, loss, costs, weights)

    def test_step(self, data):
        """Measures one batch, each weight at the end of its schedule."""
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        forward = self.forward(inputs, seed=self.batch_seed(inputs))
        loss, costs, _ = self.loss_and_costs(forward, None)
        return self._log(forward, loss, costs, {})

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

    def _log(self, forward, loss, costs, weights):
        """Updates the running means and returns the logs."""
        bounds = self.bounds(forward)
        num_sentences = tf.shape(forward.inputs["tokens"])[0]
        for name, cost in {**costs, **bounds}.items():
            self._mean(name).update_state(cost)
        self._mean("loss").update_state(loss, sample_weight=num_sentences)
        if bounds:
            num_tokens = lengths(forward.inputs["tokens"]) + 1
            self._perplexity.update_state(next(iter(bounds.values())), num_tokens)
        logs = {name: mean.result() for name, mean in self._means.items()}
        if bounds:
            logs["perplexity"] = self._perplexity.result()
        return {**logs, **weights}

    def _mean(self, name):
        if name not in self._means:
            self._means[name] = keras.metrics.Mean(name=name)
        return self._means[name]
