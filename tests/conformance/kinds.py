"""How parts of each kind are built and run on example inputs."""

import typing

import numpy as np
import tensorflow as tf

from tests.support import LENGTHS, VOCABULARY_SIZE, batch, forward_record, make_vae
from tfvae.decoders import Bridge, Decoder, LabelledDecoders
from tfvae.encoders import LabelEncoder
from tfvae.latents import Gaussian, SphericalUniform, StandardNormal
from tfvae.objectives import KL, Reconstruction, StyleAdversary

CODE_DIM, LATENT_DIM, MEMORY_DIM, NUM_SAMPLES = 4, 3, 3, 2
ROWS = len(LENGTHS)


def _normal(*shape):
    values = np.random.default_rng(0).normal(size=shape)
    return tf.constant(values, tf.float32)


class Kind(typing.NamedTuple):
    """How to use the parts of one kind.

    Attributes:
        inputs: Function of no arguments, a dict of tensors.
        specs: Dict of their shapes, unknown where data decides.
        build: Function of a part, creates its weights.
        run: Function of a part, inputs and a seed; a nest of tensors.
        in_model: Function of a part; a model that holds it.
        places: Function of a model; the part in it.
    """

    inputs: typing.Callable
    specs: dict
    build: typing.Callable
    run: typing.Callable
    in_model: typing.Callable
    place: typing.Callable


_TOKENS = {"tokens": ([None, None], tf.int32)}


def _tokens():
    return {"tokens": tf.constant(batch())}


def _record(inputs, seed):
    params = {"loc": inputs["loc"], "log_variance": inputs["log_variance"]}
    posterior = Gaussian(LATENT_DIM).distribution(params)
    prior = StandardNormal(LATENT_DIM).distribution({"loc": 0.0 * inputs["loc"]})
    return forward_record(
        inputs={"tokens": inputs["tokens"], "label": inputs["label"]},
        code=inputs["code"],
        params=params,
        posterior=posterior,
        prior=prior,
        z=inputs["z"],
        log_q=posterior.log_prob(inputs["z"]),
        memory=inputs["z"],
        log_likelihood=inputs["log_likelihood"],
        seed=seed,
    )


def _run_decoder(part, inputs, seed):
    tokens, memory = inputs["tokens"], inputs["memory"]
    state = part.initial_state(memory[0], 5)
    return (
        part.log_prob(tokens, memory, seed=seed, training=True),
        part.logits(tokens, memory),
        part.next_logits(tf.fill([tf.shape(tokens)[0]], 1), memory[0], state),
    )


def _run_latent(part, inputs, seed):
    params = part(inputs["code"])
    z, log_q = part.sample(params, NUM_SAMPLES, seed)
    found = {"z": z, "mode": part.mode(params)}
    return found if log_q is None else found | {"log_q": log_q}


def _label_for(part):
    """Returns the label of a model for parts that need one, arguments of `make_vae`."""
    if not isinstance(part, (LabelledDecoders, StyleAdversary)):
        return {}
    return {"condition": LabelEncoder(2), "context_to": ("bridge",)}


def _build_term(part):
    """Binds a term to a model of the widths above."""
    bridge = Bridge((MEMORY_DIM,))
    options = _label_for(part)
    part.bind(make_vae(posterior=Gaussian(LATENT_DIM), bridge=bridge, **options))


def _run_model(part, inputs, seed):
    forward = part.forward(inputs, seed=seed, training=True)
    loss, costs, weights = part.loss_and_costs(forward, tf.constant(3, tf.int64))
    return loss, costs, weights, part.likelihood_metrics(forward)


def _run_control(part, inputs, seed):
    # From one state, whatever was observed before.
    for weight in part.weights:
        weight.assign(0.5)
    part.observe(inputs["cost"])
    return {weight.name: weight.value for weight in part.weights}


def _run_refiner(part, inputs, seed):
    def cost(params, seed):
        return tf.reduce_mean(tf.reduce_sum(tf.exp(params["loc"] - 1.0), -1))

    return part.refine(cost, {"loc": inputs["code"]}, seed)


class Echo(Decoder):
    """Its logits are the memory."""

    def initial_state(self, memory, max_length):
        return ()

    def next_logits(self, token_ids, memory, state):
        return memory, state


def _model_of_posterior(part):
    terms = [Reconstruction()] + ([KL()] if part.has_density else [])
    on_sphere = part.support == "sphere"
    prior = (SphericalUniform if on_sphere else StandardNormal)(part.latent_dim)
    return make_vae(posterior=part, prior=prior, objective=terms)


KINDS = {
    "encoder": Kind(
        inputs=_tokens,
        specs=_TOKENS,
        build=lambda part: part.build(),
        run=lambda part, inputs, seed: part(inputs["tokens"], seed=seed, training=True),
        in_model=lambda part: make_vae(encoder=part),
        place=lambda model: model.encoder,
    ),
    "condition": Kind(
        inputs=lambda: {
            "context": tf.constant(np.stack([batch(), batch(seed=1)], 1)),
            "label": tf.constant(np.arange(ROWS) % 3, tf.int32),
        },
        specs={
            "context": ([None, 2, None], tf.int32),
            "label": ([None], tf.int32),
        },
        build=lambda part: part.build(),
        run=lambda part, inputs, seed: part(inputs, seed=seed, training=True),
        in_model=lambda part: make_vae(condition=part),
        place=lambda model: model.condition,
    ),
    "latent": Kind(
        inputs=lambda: {"code": _normal(ROWS, CODE_DIM)},
        specs={"code": ([None, CODE_DIM], tf.float32)},
        build=lambda part: part.build(code_dim=CODE_DIM),
        run=_run_latent,
        in_model=_model_of_posterior,
        place=lambda model: model.posterior,
    ),
    "bridge": Kind(
        inputs=lambda: {"z": _normal(NUM_SAMPLES, ROWS, LATENT_DIM)},
        specs={"z": ([NUM_SAMPLES, None, LATENT_DIM], tf.float32)},
        build=lambda part: part.build(latent_dim=LATENT_DIM),
        run=lambda part, inputs, seed: part(inputs["z"]),
        in_model=lambda part: make_vae(bridge=part),
        place=lambda model: model.bridge,
    ),
    "decoder": Kind(
        inputs=lambda: _tokens() | {"memory": _normal(NUM_SAMPLES, ROWS, MEMORY_DIM)},
        specs=_TOKENS | {"memory": ([NUM_SAMPLES, None, MEMORY_DIM], tf.float32)},
        build=lambda part: part.build(memory_dim=MEMORY_DIM),
        run=_run_decoder,
        in_model=lambda part: make_vae(
            decoder=part, posterior=Gaussian(MEMORY_DIM), **_label_for(part)
        ),
        place=lambda model: model.decoder,
    ),
    "term": Kind(
        inputs=lambda: (
            _tokens()
            | {
                "code": _normal(ROWS, CODE_DIM),
                "label": tf.constant(np.arange(ROWS) % 2, tf.int32),
                "loc": _normal(ROWS, LATENT_DIM),
                "log_variance": 0.1 * _normal(ROWS, LATENT_DIM),
                "z": _normal(NUM_SAMPLES, ROWS, LATENT_DIM),
                "log_likelihood": _normal(NUM_SAMPLES, ROWS),
            }
        ),
        specs=_TOKENS
        | {
            "code": ([None, CODE_DIM], tf.float32),
            "label": ([None], tf.int32),
            "loc": ([None, LATENT_DIM], tf.float32),
            "log_variance": ([None, LATENT_DIM], tf.float32),
            "z": ([NUM_SAMPLES, None, LATENT_DIM], tf.float32),
            "log_likelihood": ([NUM_SAMPLES, None], tf.float32),
        },
        build=_build_term,
        run=lambda part, inputs, seed: part.costs(_record(inputs, seed)),
        in_model=lambda part: make_vae(
            objective=[part], bridge=Bridge((MEMORY_DIM,)), **_label_for(part)
        ),
        place=lambda model: model.objective[0],
    ),
    "schedule": Kind(
        inputs=lambda: {"step": tf.constant(7, tf.int64)},
        specs={"step": ([], tf.int64)},
        build=lambda part: None,
        run=lambda part, inputs, seed: part(inputs["step"]),
        in_model=lambda part: make_vae(objective=[Reconstruction(part)]),
        place=lambda model: model.objective[0].weight,
    ),
    "control": Kind(
        inputs=lambda: {"cost": tf.constant(7.0)},
        specs={"cost": ([], tf.float32)},
        build=lambda part: None,
        run=_run_control,
        in_model=lambda part: make_vae(objective=[Reconstruction(), KL(part)]),
        place=lambda model: model.objective[1].weight,
    ),
    "model": Kind(
        inputs=_tokens,
        specs=_TOKENS,
        build=lambda part: None,
        run=_run_model,
        in_model=lambda part: part,
        place=lambda model: model,
    ),
    "loop": Kind(
        inputs=dict,
        specs={},
        build=lambda part: part.build(),
        run=lambda part, inputs, seed: {},
        in_model=lambda part: make_vae(loop=part),
        place=lambda model: model.loop,
    ),
    "refiner": Kind(
        inputs=lambda: {"code": _normal(ROWS, CODE_DIM)},
        specs={"code": ([None, CODE_DIM], tf.float32)},
        build=lambda part: None,
        run=_run_refiner,
        in_model=lambda part: make_vae(refiner=part),
        place=lambda model: model.refiner,
    ),
    "sampler": Kind(
        inputs=lambda: {"logits": _normal(40, VOCABULARY_SIZE)},
        specs={"logits": ([None, VOCABULARY_SIZE], tf.float32)},
        build=lambda part: None,
        run=lambda part, inputs, seed: part(
            Echo(VOCABULARY_SIZE, 1), inputs["logits"], 3, seed, compact=False
        ),
        in_model=None,
        place=None,
    ),
}
