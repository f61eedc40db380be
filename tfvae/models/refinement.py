"""Posteriors that are improved sentence by sentence: semi-amortised inference."""

import keras
import tensorflow as tf

from tfvae.checks import require, require_one_of
from tfvae.layers.component import Component
from tfvae.seeds import fold_in

_GRADIENTS = ("finite_difference", "first_order")


@keras.saving.register_keras_serializable("tfvae")
class SVIRefiner(Component):
    """Improves a posterior's parameters by gradient descent on each sentence's cost.

    From `params`, what the encoder gives, and `velocity = 0` it takes `num_steps` of

        velocity = momentum * velocity - clip(gradient of the cost at params)
        params = params + learning_rate * velocity

    in training and at every use. The cost of a sentence is its share of the model's
    objective with the weights in force, in training those of the step, so for
    `[Reconstruction(), KL(weight)]` it is the negative bound with the KL's weight at
    that step. Each step draws noise of its own. Outside of training the noise of a
    sentence follows from its words and the model's seed alone, so that a sentence has
    one posterior, whatever the batch, the pass or its seed; only a term that compares
    the sentences of a batch or draws noise for a batch, such as `MMD`, makes it depend
    on the batch.

    Gradients for the encoder and the decoder go through the descent. With
    `"finite_difference"` it is run backwards, a Hessian's product with a vector taken
    as the difference of the gradients at two points along the vector; a clipped
    gradient counts as a constant multiple of it. With `"first_order"` the descent
    counts as the addition of a constant.

    Args:
        num_steps: Positive int. Defaults to `20`.
        learning_rate: Positive float, for the gradient of one sentence's cost in nats.
            Defaults to `1 / 32`.
        momentum: Float in `[0, 1)`. Defaults to `0.5`.
        clip_norm: Positive float, bound on the norm of a sentence's gradient of each
            parameter, and of what goes backwards through a step, or `None`. Defaults
            to `5 * 32 ** 0.5`.
        gradient: `"finite_difference"` or `"first_order"`. Defaults to
            `"finite_difference"`.
        difference: Positive float, how far apart from the parameters the furthest
            sentence's two points are. Defaults to `0.01`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Kim et al. 2018, Semi-Amortized Variational Autoencoders, algorithm 2. The
        released code takes gradients of the mean cost of a batch of 32 at a rate of 1
        and bounds the norm over the batch by 5: here both are stated for a sentence,
        so that a posterior does not depend on the size of the batch. Its differences
        are one-sided, 1e-5 times the vector, and need gradients of all weights to be
        kept; those here are two-sided and of a size that suits float32.
    """

    def __init__(
        self,
        num_steps=20,
        learning_rate=1.0 / 32.0,
        momentum=0.5,
        clip_norm=5.0 * 32.0**0.5,
        gradient="finite_difference",
        difference=0.01,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        positive = {
            "num_steps": num_steps,
            "learning_rate": learning_rate,
            "clip_norm": 1.0 if clip_norm is None else clip_norm,
            "difference": difference,
        }
        for argument, value in positive.items():
            require(argument, value, value > 0, "positive")
        require("momentum", momentum, 0.0 <= momentum < 1.0, "in [0, 1)")
        require_one_of("gradient", gradient, _GRADIENTS)
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.clip_norm = clip_norm
        self.gradient = gradient
        self.difference = difference
        self.built = True

    def bind(self, model):
        """Refuses a model whose posterior a bound cannot improve.

        Raises:
            ValueError: If posterior or prior have no density.
        """
        if not model.has_density:
            raise ValueError(
                "`SVIRefiner` improves a bound and needs a posterior and a prior with "
                "densities. Use a latent such as `Gaussian`, or `refiner=None`. "
                f"Received: posterior={type(model.posterior).__name__}, "
                f"prior={type(model.prior).__name__}"
            )

    def refine(self, cost, params, seed):
        """Refines parameters.

        Args:
            cost: Function of a dict of parameters and a seed, the mean cost of the
                batch's sentences, a float32 scalar.
            params: Dict of float32 tensors `[B, ...]`.
            seed: Int tensor `[2]`.

        Returns:
            Dict of float32 tensors of the same shapes.
        """
        if self.gradient == "first_order":
            start = tf.nest.map_structure(tf.stop_gradient, params)
            refined, _ = self._descend(cost, start, seed)
            return {
                name: value + tf.stop_gradient(refined[name] - start[name])
                for name, value in params.items()
            }
        names = list(params)

        @tf.custom_gradient
        def run(*values):
            start = dict(zip(names, values, strict=True))
            refined, path = self._descend(cost, start, seed)

            def gradient(*upstream, variables=None):
                adjoint = dict(zip(names, upstream, strict=True))
                weights = variables or []
                found = self._reverse(cost, adjoint, path, seed, weights)
                of_start = [found[0][name] for name in names]
                return (of_start, found[1]) if weights else of_start

            return [refined[name] for name in names], gradient

        return dict(zip(names, run(*params.values()), strict=True))

    def _descend(self, cost, start, seed):
        """Runs forwards; also gives the path, parameters and clipping of each step."""
        velocity = tf.nest.map_structure(tf.zeros_like, start)
        path = {
            name: (_stack(self.num_steps, value), _stack(self.num_steps, value, 1))
            for name, value in start.items()
        }

        def step(index, params, velocity, path):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(params)
                total = _total(cost, params, fold_in(seed, index))
            slopes = tape.gradient(total, params, unconnected_gradients="zero")
            moved, faster, longer = {}, {}, {}
            for name, slope in slopes.items():
                scale = self._scale(slope)
                values, scales = path[name]
                longer[name] = (
                    values.write(index, params[name]),
                    scales.write(index, scale),
                )
                faster[name] = self.momentum * velocity[name] - _times(scale, slope)
                moved[name] = params[name] + self.learning_rate * faster[name]
            return index + 1, moved, faster, longer

        _, refined, _, path = tf.while_loop(
            lambda index, *_: index < self.num_steps,
            step,
            (0, start, velocity, path),
            maximum_iterations=self.num_steps,
        )
        path = {
            name: (values.stack(), scales.stack())
            for name, (values, scales) in path.items()
        }
        return refined, path

    def _reverse(self, cost, adjoint, path, seed, weights):
        """Runs backwards over the path.

        From `adjoint`, the loss's gradients for the refined parameters, come a dict of
        those for the first parameters and a list of those for `weights`, variables
        that the cost depends on.
        """
        num_rows = tf.cast(tf.shape(tf.nest.flatten(adjoint)[0])[0], tf.float32)
        of_velocity = tf.nest.map_structure(tf.zeros_like, adjoint)
        sums = [tf.zeros_like(tf.convert_to_tensor(weight)) for weight in weights]

        def step(index, adjoint, of_velocity, sums):
            of_velocity = {
                name: value + self.learning_rate * adjoint[name]
                for name, value in of_velocity.items()
            }
            before = {name: values[index] for name, (values, _) in path.items()}
            along = {
                name: _times(path[name][1][index], value)
                for name, value in of_velocity.items()
            }
            noise = fold_in(seed, index)
            curved, more = self._along(cost, before, along, noise, weights)
            adjoint = {name: value - curved[name] for name, value in adjoint.items()}
            # The adjoint is of a mean over the rows.
            adjoint = {
                name: _times(self._scale(num_rows * value), value)
                for name, value in adjoint.items()
            }
            of_velocity = {
                name: self.momentum * value for name, value in of_velocity.items()
            }
            sums = [one - other for one, other in zip(sums, more, strict=True)]
            return index - 1, adjoint, of_velocity, sums

        _, adjoint, _, sums = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (self.num_steps - 1, adjoint, of_velocity, sums),
            maximum_iterations=self.num_steps,
        )
        return adjoint, sums

    def _along(self, cost, params, along, seed, weights):
        """Multiplies the cost's second derivatives at `params` with a vector.

        Returns:
            Tuple of a dict, the derivative along the vector of the gradient for the
            parameters, and a list, that of the gradient for the weights.
        """
        squares = [tf.reduce_sum(_rows(value) ** 2, axis=1) for value in along.values()]
        longest = tf.sqrt(tf.reduce_max(tf.add_n(squares)))
        size = self.difference / tf.maximum(longest, 1e-30)
        with tf.GradientTape() as tape:
            tape.watch(params)
            ahead = {name: x + size * along[name] for name, x in params.items()}
            behind = {name: x - size * along[name] for name, x in params.items()}
            change = _total(cost, ahead, seed) - _total(cost, behind, seed)
        slopes, more = tape.gradient(
            change, [params, weights], unconnected_gradients="zero"
        )
        curved = {name: slope / (2.0 * size) for name, slope in slopes.items()}
        return curved, [tf.convert_to_tensor(each) / (2.0 * size) for each in more]

    def _scale(self, slope):
        """Returns the factor that bounds each row's norm, float32 `[B]`."""
        norm = tf.norm(_rows(slope), axis=1)
        if self.clip_norm is None:
            return tf.ones_like(norm)
        return self.clip_norm / tf.maximum(norm, self.clip_norm)


def _total(cost, params, seed):
    """Adds up the cost over sentences, so that each has a gradient of its own."""
    num_rows = tf.shape(next(iter(params.values())))[0]
    return cost(params, seed) * tf.cast(num_rows, tf.float32)


def _stack(num_steps, value, rank=None):
    return tf.TensorArray(
        tf.float32,
        size=num_steps,
        element_shape=value.shape[:rank],
        clear_after_read=False,
    )


def _rows(value):
    """Reshapes `[B, ...]` to `[B, -1]`."""
    return tf.reshape(value, [tf.shape(value)[0], -1])


def _times(scale, value):
    """Multiplies each row of `[B, ...]` by its entry of `[B]`."""
    return tf.reshape(_rows(value) * scale[:, None], tf.shape(value))
