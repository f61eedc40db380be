"""What an export answers: a table of signatures."""

import dataclasses
import typing

import tensorflow as tf

from tfvae.checks import require
from tfvae.models import inference
from tfvae.models.conditional import can_respond, can_transfer
from tfvae.ops.sequences import lengths

TEXT = tf.TensorSpec([None], tf.string)
SEED = tf.TensorSpec([None, 2], tf.int32)
TEMPERATURE = tf.TensorSpec([None], tf.float32)
FRACTION = tf.TensorSpec([None], tf.float32)
LABEL = tf.TensorSpec([None], tf.int32)


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


def signatures_of(model, max_turns=10):
    """Lists the signatures that a model can answer.

    Where the model reads a context or a label, so does every signature that needs it:
    `context`, strings `[B, max_turns]` (`[B, 1]` of one text), and `label`, int32
    `[B]`. A model that reads contexts answers them, `respond`, and has no `generate`
    nor `interpolate`. One that reads labels alone writes texts again with others,
    `transfer`, and one that reads labels tells their names, `labels`. `respond` and
    `transfer` are left out where the model cannot: see `left_out`.

    Args:
        model: `VAE` or `LanguageModel`.
        max_turns: Positive int, the turns of a context, where the model reads several;
            a client fills up with empty ones. Defaults to `10`.

    Returns:
        List of `Signature`s, the default one first.

    Raises:
        ValueError: If the model reads what is neither context nor label, or
            `max_turns` is not positive.
    """
    beside = _beside(model, max_turns)
    decoding = {key: beside[key] for key in model.memory_requires}
    writing = {"seed": SEED, "temperature": TEMPERATURE}
    scored = {"text": TEXT, **beside, "seed": SEED}
    generate = Signature(
        "generate",
        _generate,
        {**beside, **writing},
        "a sentence" + " from a sample of the prior" * (model.posterior is not None),
    )
    source = "prior" if model.encoder_reads == "text" else "posterior"
    respond = Signature(
        "respond",
        _respond,
        {**beside, **writing},
        "a sentence that answers the context"
        + f", from a sample of the {source} given it" * (model.posterior is not None),
    )
    score = Signature("score", _score, scored, "costs of a text in nats")
    labels = Signature("labels", _labels, {"label": LABEL}, "the name of a label")
    named = [labels] * (model.label_names is not None)
    if model.posterior is None:
        found = [respond, score] if "context" in beside else [score, generate]
        return [*found, *named]
    z = tf.TensorSpec([None, model.posterior.latent_dim], tf.float32)
    reads_text = model.encoder_reads == "text"
    encoded = {"text": TEXT, **beside} if reads_text else beside
    reconstruct = Signature(
        "reconstruct",
        _reconstruct,
        {**encoded, **writing},
        "the text reconstructed from the posterior's mode",
    )
    encode = Signature(
        "encode",
        _encode,
        {**encoded, "seed": SEED},
        "the posterior's mode, a sample of it and its parameters",
    )
    decode = Signature(
        "decode", _decode, {"z": z, **decoding, **writing}, "a sentence from a code"
    )
    interpolate = Signature(
        "interpolate",
        _interpolate,
        {"text_a": TEXT, "text_b": TEXT, **beside, "fraction": FRACTION},
        "the most probable sentence on the line between two posteriors' modes; "
        "fraction 0 is text_a, 1 is text_b",
    )
    # The code does not read the label, so that a text is written back with any other.
    transfer = Signature(
        "transfer",
        _reconstruct,
        {"text": TEXT, **beside, **writing},
        "the text written with the label, from the posterior's mode",
    )
    if "context" not in beside:
        found = [reconstruct, encode, decode, generate, interpolate, score]
        found += [transfer] * (model.requires == ("label",)) + named
    else:
        found = [respond, *[reconstruct] * reads_text, encode, decode, score, *named]
    missing = left_out(model)
    return [each for each in found if each.name not in missing]


def left_out(model):
    """Tells which signatures a model of its kind would have and cannot answer.

    Args:
        model: `VAE` or `LanguageModel`.

    Returns:
        Dict of str, the reason of each, by the signature's name.
    """
    if "context" in model.requires and not can_respond(model):
        return {"respond": "no term of the objective brings codes to the prior"}
    is_labelled = model.posterior is not None and model.requires == ("label",)
    if is_labelled and not can_transfer(model):
        return {"transfer": "a code is of a text with its own label"}
    return {}


def _beside(model, max_turns):
    """Returns the specs of what a model reads beside sentences."""
    require("max_turns", max_turns, max_turns >= 1, "positive")
    num_turns = max_turns if model.reads_turns else 1
    known = {"context": tf.TensorSpec([None, num_turns], tf.string), "label": LABEL}
    unknown = [key for key in model.requires if key not in known]
    if unknown:
        raise ValueError(
            f"This {type(model).__name__} reads {', '.join(unknown)}, for which no "
            "signature has an input. Export models of contexts and labels. Received: "
            f"a condition that requires {model.requires}"
        )
    return {key: known[key] for key in model.requires}


def _respond(engine, seed, temperature, **beside):
    inputs, flags = engine.read_inputs(**beside)
    context = engine.encode_condition(inputs)
    if not engine.has_latent:
        return {**engine.generate(None, seed, temperature, context), **flags}
    z = engine.sample_response(inputs, context, seed)
    return {**engine.generate(z, seed, temperature, context), "z": z, **flags}


def _reconstruct(engine, text, seed, temperature, **beside):
    inputs, flags = engine.read_inputs(text, **beside)
    encoded = engine.encode(inputs)
    z = engine.model.posterior.mode(encoded.params)
    written = engine.generate(z, seed, temperature, encoded.context)
    return {**written, "z": z, **flags}


def _encode(engine, seed, text=None, **beside):
    inputs, flags = engine.read_inputs(text, **beside)
    if text is None:
        context = engine.encode_condition(inputs)
        params = inference.response_params(engine.model, inputs, context)[1]
    else:
        params = engine.encode(inputs).params
    sample = engine.sample_posterior(params, seed, 1)[0][0]
    mode = engine.model.posterior.mode(params)
    return {**params, "mode": mode, "sample": sample, **flags}


def _decode(engine, z, seed, temperature, **beside):
    inputs, flags = engine.read_inputs(**beside)
    context = engine.encode_condition(inputs) if inputs else None
    return {**engine.generate(z, seed, temperature, context), **flags}


def _generate(engine, seed, temperature, **beside):
    inputs, flags = engine.read_inputs(**beside)
    context = engine.encode_condition(inputs)
    if not engine.has_latent:
        return {**engine.generate(None, seed, temperature, context), **flags}
    z = engine.sample_prior(seed, context)
    return {**engine.generate(z, seed, temperature, context), "z": z, **flags}


def _interpolate(engine, text_a, text_b, fraction, **beside):
    modes, cuts = [], []
    for text in (text_a, text_b):
        inputs, flags = engine.read_inputs(text, **beside)
        encoded = engine.encode(inputs)
        modes.append(engine.model.posterior.mode(encoded.params))
        cuts.append(flags["truncated"])
    first, last = modes
    z = first + fraction[:, None] * (last - first)
    no_seed = tf.zeros([tf.shape(z)[0], 2], tf.int32)
    cold = tf.zeros_like(fraction)
    written = engine.generate(z, no_seed, cold, encoded.context)
    return {**written, "z": z, **flags, "truncated": cuts[0] | cuts[1]}


def _score(engine, text, seed, **beside):
    inputs, flags = engine.read_inputs(text, **beside)
    num_tokens = lengths(inputs["tokens"]) + 1
    num_samples = engine.num_prior_samples or engine.num_samples
    return {
        **engine.score(inputs, seed),
        "num_tokens": num_tokens,
        "num_samples": tf.fill(tf.shape(num_tokens), num_samples),
        **flags,
    }


def _labels(engine, label):
    inputs, flags = engine.read_inputs(label=label)
    names = tf.constant(list(engine.model.label_names))
    known = tf.where(flags["unknown_label"], 0, inputs["label"])
    name = tf.where(flags["unknown_label"], "", tf.gather(names, known))
    return {"name": name, **flags}


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
