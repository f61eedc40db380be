"""Training as an autoencoder first, then as a VAE with a new decoder."""

import random

import keras
import tensorflow as tf

from tfvae.checks import require_one_of
from tfvae.loops.training_loop import TrainingLoop, apply_found, number
from tfvae.models.trainer import unpack
from tfvae.seeds import as_seed, fold_in

_CODES = ("mode", "sample")


@keras.saving.register_keras_serializable("tfvae")
class Pretraining(TrainingLoop):
    """Trains an autoencoder first and keeps its encoder for the model's objective.

    For the first `num_steps` batches the loss is the reconstruction alone. Then the
    decoder and the bridge get new weights (embeddings shared with the encoder stay),
    the optimizer starts anew, and training by the objective begins: with its step 0,
    since the model's counter, and with it every schedule and the length of a run,
    only counts updates by the objective.

    While pretraining, the logs show each term's cost with weight 0, and bounds are NaN
    where the decoder reads the posterior's mode; critics do not learn.

    Args:
        num_steps: Non-negative int, batches of the first phase.
        code: What the decoder reads in the first phase: `"mode"`, the posterior's
            point, or `"sample"`, a draw, whose scale nothing keeps from shrinking to
            almost zero. Defaults to `"mode"`.

    Raises:
        ValueError: If `num_steps` is negative or `code` is unknown.

    References:
        Li et al. 2019, A Surprisingly Effective Fix for Deep Latent Variable Modeling
        of Text, section 3 (`"sample"`, KL weight 0); Wu et al. 2020 start from a
        deterministic autoencoder (`"mode"`).
    """

    def __init__(self, num_steps, code="mode", *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if num_steps < 0:
            raise ValueError(
                f"`num_steps` must not be negative. Received: num_steps={num_steps}"
            )
        require_one_of("code", code, _CODES)
        self.num_steps = num_steps
        self.code = code

    def build(self):
        """Creates what the loop remembers."""
        self.num_pretrained = self.counter("num_pretrained")
        self.pretrained = self.counter("pretrained", int(self.num_steps == 0))
        super().build()

    @property
    def num_pretraining_steps(self):
        """The batches of the first phase."""
        return self.num_steps

    @property
    def in_final_phase(self):
        """Whether the first phase is over."""
        return bool(number(self.pretrained))

    def phases(self, model):
        """Returns the autoencoder's update and the model's own."""
        return {
            "autoencoder": lambda data: self._pretrain(model, data),
            "objective": model.train_step,
        }

    def train_step(self, model, run, batches):
        """Takes an update of either kind and makes the change between them."""
        batch = self.next_batch(batches)
        if batch is None:
            raise StopIteration
        if not self.in_final_phase and number(self.num_pretrained) < self.num_steps:
            return run("autoencoder", batch)
        if not self.in_final_phase:
            self._change(model)
        return run("objective", batch)

    def _pretrain(self, model, data):
        inputs, _ = unpack(data)
        seed = fold_in(as_seed(model.seed), -1)
        seed = fold_in(seed, self.num_pretrained.value)
        variables = model.model_variables
        at_mode = self.code == "mode"
        with tf.GradientTape() as tape:
            forward = model.forward(inputs, seed=seed, training=True, at_mode=at_mode)
            loss = -tf.reduce_mean(forward.log_likelihood)
            scaled = model.optimizer.scale_loss(loss)
        gradients = model.gradients(tape, scaled, variables)
        # The posterior's scale, say, has no part in it.
        apply_found(model.optimizer, gradients, variables)
        self.num_pretrained.assign_add(1)
        update = model.compute_update(forward)
        weights = {name: 0.0 * weight for name, weight in update.weights.items()}
        update = update._replace(loss=loss, weights=weights)
        return model.log(update, bounded=not at_mode)

    def _change(self, model):
        """Returns the decoder new weights and forgets the optimizer's moments."""
        fresh = _remade(model)
        of_encoder = {id(weight) for weight in model.encoder.weights}
        for part, new in ((model.decoder, fresh.decoder), (model.bridge, fresh.bridge)):
            for weight, start in zip(part.weights, new.weights, strict=True):
                if id(weight) not in of_encoder:
                    weight.assign(start)
        optimizer = model.optimizer
        new = type(optimizer).from_config(optimizer.get_config())
        new.build(model.model_variables)
        for variable, start in zip(optimizer.variables, new.variables, strict=True):
            variable.assign(start)
        model.reset_metrics()
        self.pretrained.assign(1)


def _remade(model):
    """Creates the model again from its configuration, with new initial weights.

    Initializers without a seed take one of Python's generator; the weights are the
    same wherever a run was interrupted.
    """
    config = {**model.get_config(), "tokenizer": None, "loop": None}
    state = random.getstate()
    random.seed(f"a new decoder, {model.seed}")
    try:
        return type(model).from_config(config)
    finally:
        random.setstate(state)
