"""What an export answers: a table of signatures."""

import dataclasses
import typing

import tensorflow as tf

from tfvae.ops.sequences import lengths

TEXT = tf.TensorSpec([None], tf.string)
SEED = tf.TensorSpec([None, 2], tf.int32)
TEMPERATURE = tf.TensorSpec([None], tf.float32)
FRACTION = tf.TensorSpec([None], tf.float32)


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named function of an export.

    A model with more inputs brings signatures of its own: pass them to `export`.

    Attributes:
        name: Str.
        compute: Function of an `InferenceEngine` and a tensor for each input, by name,
            to a dict of tensors `[B, ...]`. A row of the outputs must depend on the
            same row of the inputs alone.
        inputs: Dict of `tf.TensorSpec`s; the first dimension is the batch.
        description: Str, one line for the model card.
    """

    name: str
    compute: typing.Callable
    inputs: dict
    description: str

    def trace(self, engine):
        """Traces the function for batches of any size.

        Args:
            engine: `InferenceEngine`.

        Returns:
            A concrete function; its floating outputs are float32.
        """

        @tf.function(autograph=False)
        def run(**inputs):
            outputs = self.compute(engine, **_checked(inputs, self.inputs))
            return {name: _float32(value) for name, value in outputs.items()}

        specs = {
            name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
            for name, spec in self.inputs.items()
        }
        return run.get_concrete_function(**specs)


def signatures_of(model):
    """Lists the signatures that a model can answer.

    Args:
        model: `VAE` or `LanguageModel`.

    Returns:
        List of `Signature`s, the default one first.
    """
    score = Signature(
        "score", _score, {"text": TEXT, "seed": SEED}, "costs of a text in nats"
    )
    writing = {"seed": SEED, "temperature": TEMPERATURE}
    if model.posterior is None:
        return [score, Signature("generate", _generate, writing, "a sentence")]
    z = tf.TensorSpec([None, model.posterior.latent_dim], tf.float32)
    return [
        Signature(
            "reconstruct",
            _reconstruct,
            {"text": TEXT, **writing},
            "the text reconstructed from the posterior's mode",
        ),
        Signature(
            "encode",
            _encode,
            {"text": TEXT, "seed": SEED},
            "the posterior's mode, a sample of it and its parameters",
        ),
        Signature("decode", _decode, {"z": z, **writing}, "a sentence from a code"),
        Signature(
            "generate", _generate, writing, "a sentence from a sample of the prior"
        ),
        Signature(
            "interpolate",
            _interpolate,
            {"text_a": TEXT, "text_b": TEXT, "fraction": FRACTION},
            "the most probable sentence on the line between two posteriors' modes; "
            "fraction 0 is text_a, 1 is text_b",
        ),
        score,
    ]


def _reconstruct(engine, text, seed, temperature):
    z, truncated = engine.mode(text)
    return {**engine.generate(z, seed, temperature), "z": z, "truncated": truncated}


def _encode(engine, text, seed):
    tokens, truncated = engine.read(text)
    params = engine.encode(tokens).params
    sample = engine.sample_posterior(params, seed, 1)[0][0]
    mode = engine.model.posterior.mode(params)
    return {**params, "mode": mode, "sample": sample, "truncated": truncated}


def _decode(engine, z, seed, temperature):
    return engine.generate(z, seed, temperature)


def _generate(engine, seed, temperature):
    if not engine.has_latent:
        return engine.generate(None, seed, temperature)
    z = engine.sample_prior(seed)
    return {**engine.generate(z, seed, temperature), "z": z}


def _interpolate(engine, text_a, text_b, fraction):
    first, first_truncated = engine.mode(text_a)
    last, last_truncated = engine.mode(text_b)
    z = first + fraction[:, None] * (last - first)
    no_seed = tf.zeros([tf.shape(z)[0], 2], tf.int32)
    written = engine.generate(z, no_seed, tf.zeros_like(fraction))
    return {**written, "z": z, "truncated": first_truncated | last_truncated}


def _score(engine, text, seed):
    tokens, truncated = engine.read(text)
    num_tokens = lengths(tokens) + 1
    return {
        **engine.score(tokens, seed),
        "num_tokens": num_tokens,
        "num_samples": tf.fill(tf.shape(num_tokens), engine.num_samples),
        "truncated": truncated,
    }


def _checked(inputs, specs):
    """Turns inputs of a wrong shape into an error of one line."""
    checked = {
        name: _of_shape(name, value, specs[name].shape)
        for name, value in inputs.items()
    }
    rows = tf.stack([tf.shape(value)[0] for value in checked.values()])
    message = f"inputs {', '.join(inputs)} need one number of rows"
    with tf.control_dependencies(
        [tf.debugging.assert_equal(rows, rows[0], message=message)]
    ):
        return {name: tf.identity(value) for name, value in checked.items()}


def _of_shape(name, value, shape):
    """Checks an input's rank and sizes as the graph runs.

    A server feeds what a client sends. What is known of the input's shape is therefore
    hidden first, or the check would be taken for one that always holds.
    """
    unknown = tf.raw_ops.PlaceholderWithDefault(input=value, shape=tf.TensorShape(None))
    sizes = [-1 if size is None else size for size in shape]
    received = tf.shape(unknown)
    # Sizes that are missing match nothing, those beyond are found by the rank.
    padded = tf.concat([received, tf.fill([len(sizes)], -2)], 0)[: len(sizes)]
    fits = (padded == sizes) | ((tf.constant(sizes) == -1) & (padded >= 0))
    is_right = tf.reduce_all(fits) & (tf.size(received) == len(sizes))
    wanted = ",".join("?" if size < 0 else str(size) for size in sizes)
    message = (
        f"the shape of input `{name}` is not compatible with expected shape "
        f"[{wanted}], where ? is any number of rows. Received shape:"
    )
    check = tf.debugging.Assert(is_right, [message, received])
    with tf.control_dependencies([check]):
        return tf.ensure_shape(unknown, shape)


def _float32(value):
    return tf.cast(value, tf.float32) if value.dtype.is_floating else value
