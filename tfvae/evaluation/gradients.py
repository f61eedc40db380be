"""How strongly costs and the decoder's memory depend on the encoder's code."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.ops.graph import graph_function
from tfvae.seeds import as_seed, fold_in


def gradient_norms(model, batches, *, training=True, seed=0, max_batches=None):
    """Measures how the encoder is trained: gradients by its code `e`, per sentence.

    Computes `|d reconstruction / d e|`, `|d regulariser / d e|`, the same for the whole
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
        Dict by keys of the group `"gradients"` of `METRICS`.

    Raises:
        ValueError: If the model has no latent or there is no batch.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, table 5 and figure 2.
        The paper prints norms where the released code averages their squares: the
        keys that end in `_squared` are comparable with its table.
    """
    if model.posterior is None:
        raise ValueError(
            "Gradients by the encoder's code need an encoder. Use a `VAE`. Received: "
            f"a {type(model).__name__}"
        )
    norms_of = graph_function(
        lambda inputs, seed: _squared_norms(model, inputs, seed, training)
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
    result["num_gradient_norms"] = len(squared)
    result["gradient_norms_dropout"] = training
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
        sources["regulariser"] = model.likelihood_metrics(forward).get("kl", rest)
        sources["objective"] = objective
        memory = forward.memory[0]
    norms = {}
    for name, source in sources.items():
        gradient = tape.gradient(source, forward.code)
        if gradient is not None:
            norms[name] = tf.reduce_sum(tf.cast(gradient, tf.float32) ** 2, -1)
    # One backward pass a unit of the memory, in a loop: vectorised, a sampler with a
    # loop of its own would not be differentiated.
    jacobian = tape.batch_jacobian(memory, forward.code, experimental_use_pfor=False)
    memory_size = tf.reduce_sum(tf.cast(memory, tf.float32) ** 2, -1)
    size = tf.reduce_sum(tf.cast(jacobian, tf.float32) ** 2, [1, 2])
    norms["memory"] = tf.math.divide_no_nan(size, memory_size)
    return norms
