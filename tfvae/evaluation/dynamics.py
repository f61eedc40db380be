"""How strongly costs and the decoder's memory depend on the encoder's code."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.seeds import as_seed, fold_in

# What is differentiated by the code, and the definition of its norm.
_SOURCES = {
    "reconstruction": "`-log p(x|z)` at one sample of the posterior",
    "coupled_reconstruction": "the reconstruction of the deterministic path",
    "regulariser": "KL(q(z|x) || p(z)), unweighted; without densities the objective's "
    "terms other than the reconstruction, by their final weights",
    "objective": "the whole objective, by its final weights",
}
_KINDS = {
    "": "Mean over sentences of the Euclidean norm",
    "_squared": "Mean over sentences of the squared Euclidean norm",
}

DEFINITIONS = {
    f"gradient_{name}{kind}": f"{how} of the gradient of {what} by the encoder's code, "
    "in nats a unit of the code."
    for name, what in _SOURCES.items()
    for kind, how in _KINDS.items()
} | {
    "gradient_memory": "Mean over sentences of the Frobenius norm of the derivative of "
    "the decoder's memory by the encoder's code, over the norm of the memory.",
    "gradient_memory_squared": "The same with both norms squared.",
    "num_dynamics": "Sentences behind the gradient norms.",
    "dynamics_dropout": "Whether dropout was active in the gradient norms.",
}


def training_dynamics(model, batches, *, training=True, seed=0, max_batches=None):
    """Measures how the encoder is trained: gradients by its code `e`, per sentence.

    Gives `|d reconstruction / d e|`, `|d regulariser / d e|`, the same for the whole
    objective and, with a deterministic path, for its reconstruction, and the relative
    sensitivity of the decoder `|d memory / d e| / |memory|`. Small values of the first
    beside the second are the onset of posterior collapse.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        training: Whether dropout acts, as in the paper. Defaults to `True`.
        seed: Int, of latent noise and dropout. Defaults to `0`.
        max_batches: Positive int, the batches to read, or `None` for all.

    Returns:
        Dict of floats by the keys of `DEFINITIONS`, and the number of sentences.

    Raises:
        ValueError: If the model has no latent or there is no batch.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, Table 5 and Figure 2.
        The paper prints norms where the released code averages their squares: the
        keys that end in `_squared` are comparable with its table.
    """
    if model.posterior is None:
        raise ValueError(
            "Gradients by the encoder's code need an encoder. Use a `VAE`. Received: "
            f"a {type(model).__name__}"
        )
    norms_of = tf.function(
        lambda inputs, seed: _squared_norms(model, inputs, seed, training),
        reduce_retracing=True,
    )
    collected = []
    for index, batch in enumerate(batches):
        if index == max_batches:
            break
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        found = norms_of(inputs, fold_in(as_seed(seed), index))
        collected.append({name: value.numpy() for name, value in found.items()})
    if not collected:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    result = {}
    for name in collected[0]:
        squared = np.concatenate([found[name] for found in collected]).astype("float64")
        result[f"gradient_{name}"] = float(np.sqrt(squared).mean())
        result[f"gradient_{name}_squared"] = float(squared.mean())
    result["num_dynamics"] = len(squared)
    result["dynamics_dropout"] = training
    return result


def _squared_norms(model, inputs, seed, training):
    """Computes squared norms `[B]` of every gradient that the model has."""
    with tf.GradientTape(persistent=True) as tape:
        forward = model.forward(inputs, num_samples=1, seed=seed, training=training)
        sources, objective = {}, tf.constant(0.0)
        rest = tf.constant(0.0)
        num_sentences = tf.cast(tf.shape(forward.code)[0], tf.float32)
        for term in model.objective:
            costs = term.costs(forward)
            # A mean over sentences there, one sentence's share here.
            weighted = term.weighted(costs, None)[0] * num_sentences
            objective += weighted
            if "reconstruction" not in costs:
                rest += weighted
            if "coupled_reconstruction" in costs:
                sources["coupled_reconstruction"] = costs["coupled_reconstruction"]
        sources["reconstruction"] = -forward.log_likelihood[0]
        sources["regulariser"] = model.bounds(forward).get("kl", rest)
        sources["objective"] = objective
        memory = forward.memory[0]
    norms = {}
    for name in _SOURCES:
        if name in sources:
            gradient = tape.gradient(sources[name], forward.code)
            if gradient is not None:
                norms[name] = tf.reduce_sum(tf.cast(gradient, tf.float32) ** 2, -1)
    # One backward pass a unit of the memory, in a loop: vectorised, a sampler with a
    # loop of its own would not be differentiated.
    jacobian = tape.batch_jacobian(memory, forward.code, experimental_use_pfor=False)
    memory_size = tf.reduce_sum(tf.cast(memory, tf.float32) ** 2, -1)
    size = tf.reduce_sum(tf.cast(jacobian, tf.float32) ** 2, [1, 2])
    norms["memory"] = tf.math.divide_no_nan(size, memory_size)
    return norms
