"""An update of its own for each term of the objective."""

import keras
import tensorflow as tf

from tfvae.loops.training_loop import TrainingLoop
from tfvae.models.forward import Update
from tfvae.models.trainer import unpack
from tfvae.seeds import as_seed, fold_in


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
        of_prior, others = _sides(model)
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
        """Updates the model by one term after the other."""
        inputs, sample_weight = unpack(data)
        seed = fold_in(as_seed(model.seed), model.step.value)
        rate = tf.convert_to_tensor(model.optimizer.learning_rate)
        of_prior, others = _sides(model)
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
            _apply(self.prior_optimizer, gradients[: len(of_prior)], of_prior)
            _apply(optimizer, gradients[len(of_prior) :], others)
            records.append(forward)
            total += loss
            costs.update(of_term)
            weights.update(weight)
        update = Update(records[0], total, costs, weights, sample_weight)
        model.end_update(update)
        return model.log(update)


def _sides(model):
    """Splits the model's variables into those of the prior and all others."""
    of_prior = {id(variable) for variable in model.prior.trainable_variables}
    variables = model.model_variables
    return (
        [v for v in variables if id(v) in of_prior],
        [v for v in variables if id(v) not in of_prior],
    )


def _apply(optimizer, gradients, variables):
    """Updates the variables that a term depends on, if there are any."""
    pairs = [
        pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None
    ]
    if pairs:
        optimizer.apply(*zip(*pairs, strict=True))
