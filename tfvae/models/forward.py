"""The records of one pass and of one update."""

import typing

import tensorflow as tf


class Forward(typing.NamedTuple):
    """Everything one pass computed; terms and measures read it.

    Attributes:
        inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
        code: Float `[B, C]`, what the encoder read; `None` without an encoder.
        context: Float `[B, K]` or `None`.
        posterior: TFP distribution, batch `[B]` and event `[Z]`, or `None`.
        prior: The same for the prior.
        params: Dict of the posterior's parameters.
        z: Float32 `[S, B, Z]`, sampled from the posterior once.
        log_q: Float32 `[S, B]`, its log-density, or `None` without one.
        memory: Float `[S, B, U]`, what the decoder read.
        log_likelihood: Float32 `[S, B]`, `log p(x|z)` in nats.
        seed: Int `[2]`, for terms that draw samples of their own.
        training: Whether dropout was active.
    """

    inputs: dict
    code: typing.Any
    context: typing.Any
    posterior: typing.Any
    prior: typing.Any
    params: typing.Any
    z: typing.Any
    log_q: typing.Any
    memory: typing.Any
    log_likelihood: typing.Any
    seed: typing.Any
    training: bool

    def detached(self):
        """Returns the record with gradients stopped and without the posterior.

        The prior stays, for critics that compare with draws of their own: they stop
        the gradient of what they draw. In any case a critic's update differentiates
        with respect to its own weights alone.
        """
        stopped = {
            name: tf.nest.map_structure(_stop, value)
            for name, value in self._asdict().items()
            if name not in ("posterior", "prior", "training")
        }
        return self._replace(**stopped, posterior=None)


def _stop(value):
    return tf.stop_gradient(value) if tf.is_tensor(value) else value


class Update(typing.NamedTuple):
    """What one update was computed from, for the logs.

    Attributes:
        forward: `Forward`.
        loss: Float32 scalar.
        costs: Dict of float32 `[B]`.
        weights: Dict of float32 scalars.
        sample_weight: Float32 `[B]`, or `None` where all sentences count alike.
    """

    forward: typing.Any
    loss: typing.Any
    costs: dict
    weights: dict
    sample_weight: typing.Any
