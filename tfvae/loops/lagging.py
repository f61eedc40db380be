"""Aggressive training of the encoder, against a posterior that lags behind."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.distributions.aggregated_posterior import mutual_information
from tfvae.loops.training_loop import EpochEnd, TrainingLoop, number, sides
from tfvae.models.inputs import SEED_SPEC, specs_of
from tfvae.models.trainer import unpack
from tfvae.ops.sequences import lengths
from tfvae.seeds import as_seed, fold_in

# Of validation sentences; as many as the papers' validation sets have.
_MAX_SENTENCES = 10_000


def batch_mutual_information(log_densities):
    """Estimates the information between a batch's sentences and their codes.

    Computes `mean(log q(z_i|x_i) - log(mean over j of q(z_i|x_j)))` with `j = i`
    included, so that it is at most `log(B)`.

    Args:
        log_densities: Float32 tensor `[B, B]`, `log q(z_i|x_j)` in row `i`.

    Returns:
        Float32 scalar, in nats.

    Example:
    >>> apart = tf.constant([[0.0, -99.0], [-99.0, 0.0]])
    >>> round(float(batch_mutual_information(apart)), 4)
    0.6931
    """
    size = tf.cast(tf.shape(log_densities)[0], tf.float32)
    aggregate = tf.reduce_logsumexp(log_densities, axis=1) - tf.math.log(size)
    return tf.reduce_mean(tf.linalg.diag_part(log_densities) - aggregate)


@keras.saving.register_keras_serializable("tfvae")
class Lagging(TrainingLoop):
    """Trains the encoder to convergence before each update of the decoder.

    While aggressive, a full update is a loop of updates of the encoder alone, on one
    batch of the stream after the other, until the loss a word over `check_every`
    batches is above that of the `check_every` before; then one update of the decoder
    alone on the loop's first batch. The aggressive mode ends for good with the first
    epoch whose mutual information is not above the epoch's before. From then on every
    update is joint.

    That is the mutual information of validation sentences and their codes when the
    epoch is over, without dropout and with the same noise in every epoch: the mean of
    `log q(z|x) - log q(z)` over one code of each sentence, with `q(z)` the mean of
    all their posteriors, of the first 10,000 sentences at most. It is logged as
    `val_mi_lagging`, at most the logarithm of their number. Without validation data,
    or where those can be read only once, the mean over the epoch's decoder or joint
    updates takes its place, `mi_batch`: of training batches, with dropout, while the
    encoder moves, hence noisy. `fit` says so once, unless it is silent. `aggressive`
    is logged as 1 for an epoch in loops and 0 for one of joint updates.

    The encoder's side is the encoder, the posterior and embeddings that the decoder
    shares; all else is the decoder's, also the weights of terms. Critics learn in
    every update of either side. The model's step counter, and with it schedules and
    the length of a run, counts full updates; with a finite dataset `fit` repeats it,
    and an epoch is as many full updates as the dataset has batches.

    The encoder's side has an optimizer of its own, a copy of the model's with its own
    count of updates and always the model's learning rate, so that Adam's moments
    belong to each side's own updates while decay follows full updates. A bound on the
    global norm acts on all gradients that one update uses.

    Args:
        check_every: Positive int, encoder updates between looks at the loss. Defaults
            to `15`.
        max_sub_steps: Positive int, most encoder updates in one loop. Defaults to
            `100`.

    Raises:
        ValueError: If a count is not positive.

    References:
        He et al. 2019, Lagging Inference Networks and Posterior Collapse in
        Variational Autoencoders, algorithm 1 and released code, which draws the
        loop's batches at random (here: the next ones of the stream) and bounds the norm
        over both sides' gradients in every update. There `q(z)` is the mean over a
        batch of 32, so that the mutual information is at most 3.47 nats and a model
        that reaches that ends the aggressive mode; here it is the mean over all.
    """

    def __init__(self, check_every=15, max_sub_steps=100, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        require("check_every", check_every, check_every >= 1, "positive")
        require("max_sub_steps", max_sub_steps, max_sub_steps >= 1, "positive")
        self.check_every = check_every
        self.max_sub_steps = max_sub_steps
        self.encoder_optimizer = None

    def check(self, model):
        """Refuses a posterior whose mutual information cannot be measured."""
        super().check(model)
        if not model.posterior.has_density:
            raise ValueError(
                "`Lagging` watches the mutual information and needs a posterior with "
                "a density, such as `Gaussian`. Received: "
                f"posterior={type(model.posterior).__name__}"
            )

    def build(self):
        """Creates what the loop remembers."""
        # Of any kind: it seeds the noise of each.
        self.num_updates = self.counter("num_updates")
        self.aggressive = self.counter("aggressive", 1)
        self.last_information = self.add_weight(
            name="last_information",
            shape=(),
            initializer=keras.initializers.Constant(float("-inf")),
            trainable=False,
        )
        super().build()

    @property
    def is_aggressive(self):
        """Whether the encoder is trained in loops of its own."""
        return bool(number(self.aggressive))

    def compile(self, model):
        """Creates the encoder's optimizer.

        Raises:
            ValueError: If the optimizer scales the loss.
        """
        variables = model.encoder_variables
        self.encoder_optimizer = self.copied_optimizer(model, variables)

    def prepare(self, data, options):
        """Repeats a finite dataset, from the place where the last `fit` stopped.

        Raises:
            ValueError: If the data have no known end and there is no number of steps.
        """
        if options.get("steps_per_epoch") is not None:
            return data, options
        size = -1
        if isinstance(data, tf.data.Dataset):
            size = number(data.cardinality())
        if size < 1:
            raise ValueError(
                "A model with `Lagging` reads several batches a step. Give `fit` a "
                "`tf.data.Dataset` of known size, or an endless one and "
                f"`steps_per_epoch`. Received: {type(data).__name__} of "
                f"{'unknown' if size < 0 else 'no'} size"
            )
        data = data.repeat().skip(number(self.num_batches) % size)
        return data, {**options, "steps_per_epoch": size}

    def phases(self, model):
        """Returns the updates of the encoder, of the decoder and of both, by name."""

        def encoder(data):
            update = self._update(model, data, encoder=True, decoder=False)
            tokens = update.forward.inputs["tokens"]
            num_sentences = tf.cast(tf.shape(tokens)[0], tf.float32)
            return {
                "nats": update.loss * num_sentences,
                "num_tokens": tf.reduce_sum(lengths(tokens) + 1),
            }

        def full(data, encoder):
            update = self._update(model, data, encoder=encoder, decoder=True)
            model.end_update(update)
            return model.log(update._replace(costs=_with_information(update)))

        return {
            "encoder": encoder,
            "decoder": lambda data: full(data, encoder=False),
            "joint": lambda data: full(data, encoder=True),
        }

    def train_step(self, model, run, batches):
        """Takes the encoder's loop and the decoder's update, or a joint update."""
        first = batch = self.next_batch(batches)
        if first is None:
            raise StopIteration
        if not self.is_aggressive:
            return run("joint", first)
        before, since = float("inf"), []
        for index in range(1, self.max_sub_steps + 1):
            since.append(run("encoder", batch))
            if index % self.check_every == 0:
                loss = _loss_by_token(since)
                if loss > before:
                    break
                before, since = loss, []
            if index < self.max_sub_steps:
                batch = self.next_batch(batches)
            if batch is None:
                break
        return run("decoder", first)

    def callback(self, validation_data=None):
        """Creates the callback that also says what takes validation data's place."""
        return _Callback(validation_data)

    def measure(self, model, validation_data):
        """Measures the mutual information on validation data, where there are any."""
        found = {"aggressive": float(self.is_aggressive)}
        if validation_data is not None:
            params, z = _codes(model, validation_data)
            information = mutual_information(model.posterior, params, z)
            found["val_mi_lagging"] = information.value
        return found

    def on_epoch_end(self, model, logs):
        """Ends the aggressive mode once the mutual information has stopped growing."""
        information = logs.get("val_mi_lagging", logs.get("mi_batch"))
        if not self.is_aggressive or information is None:
            return
        information = float(information)
        if not information > number(self.last_information):
            self.aggressive.assign(0)
        self.last_information.assign(information)

    def _update(self, model, data, encoder, decoder):
        seed = fold_in(as_seed(model.seed), self.num_updates.value)
        self.num_updates.assign_add(1)
        left = model.encoder_variables if encoder else []
        right = sides(model, model.encoder_variables)[1] if decoder else []
        update, found = model.compute_gradients(data, seed, left + right)
        bound = model.optimizer.global_clipnorm
        if bound is not None:
            # An optimizer sees the gradients of one side only.
            found, _ = tf.clip_by_global_norm(found, bound)
        rate = tf.convert_to_tensor(model.optimizer.learning_rate)
        self.encoder_optimizer.learning_rate.assign(rate)
        if encoder:
            self.encoder_optimizer.apply(found[: len(left)], left)
        if decoder:
            model.optimizer.apply(found[len(left) :], right)
        return update


class _Callback(EpochEnd):
    """The loop's callback, which tells of missing validation data."""

    def on_train_begin(self, logs=None):
        """Tells of them where `fit` prints anything."""
        super().on_train_begin(logs)
        if self.validation_data is None and self.params.get("verbose"):
            print(
                "note: without validation data `Lagging` ends its aggressive mode by "
                "the mutual information of training batches, `mi_batch`, which is noisy"
            )


def _codes(model, validation_data):
    """Samples a code of each validation sentence.

    Returns:
        Tuple of the posteriors' parameters, a dict of tensors `[N, ...]`, and codes,
        float32 `[1, N, Z]`.
    """

    def encode(inputs, seed):
        params = model.posterior_params(inputs)
        return params, model.posterior.sample(params, 1, seed)[0][0]

    # No update's: they are counted from 0.
    seed = fold_in(as_seed(model.seed), -1)
    found, count = [], 0
    for index, batch in enumerate(validation_data):
        inputs = unpack(batch)[0]
        inputs = {key: tf.cast(value, tf.int32) for key, value in inputs.items()}
        specs = specs_of(inputs)
        key = ("codes of lagging", *specs.items())
        run = model.compiled_function(key, encode, specs, SEED_SPEC)
        found.append(run(inputs, fold_in(seed, index)))
        count += len(inputs["tokens"])
        if count >= _MAX_SENTENCES:
            break
    params, z = tf.nest.map_structure(
        lambda *parts: tf.concat(parts, 0)[:_MAX_SENTENCES], *found
    )
    return params, z[None]


def _with_information(update):
    """Adds the batch's mutual information to an update's costs."""
    forward = update.forward
    z = forward.z[0][:, None, :]
    information = batch_mutual_information(forward.posterior.log_prob(z))
    information = tf.fill([tf.shape(z)[0]], tf.stop_gradient(information))
    return {**update.costs, "mi_batch": information}


def _loss_by_token(logs):
    """Returns the mean loss of a token over several encoder updates."""
    nats = sum(float(each["nats"]) for each in logs)
    return nats / sum(int(each["num_tokens"]) for each in logs)
