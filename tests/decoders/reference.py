"""Small decoders, and what they compute as NumPy loops over one sentence."""

import keras
import numpy as np

from tests.support import (
    BOS_ID,
    EOS_ID,
    VOCABULARY_SIZE,
    gru_step,
    log_softmax,
    lstm_step,
    make_decoder,
)
from tfvae.decoders import ConvolutionalDecoder, RecurrentDecoder

# Initial weights, so that scales, shifts and biases all matter to the comparisons.
SPREAD = keras.initializers.RandomNormal(0.0, 0.5, seed=3)


def build_recurrent(memory_dim=3, **options):
    """Creates a small recurrent decoder, built."""
    decoder = make_decoder(**options)
    decoder.build(memory_dim=memory_dim)
    return decoder


def build_convolutional(memory_dim=2, num_filters=4, **options):
    """Creates a small convolutional decoder, built, its normalisations random."""
    options = {"size": (1, 2), "initializer": SPREAD.clone()} | options
    decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, num_filters, **options)
    decoder.build(memory_dim=memory_dim)
    weights = np.random.default_rng(1)
    for block in decoder.blocks:
        for norm in (block.first_norm, block.past_norm, block.last_norm):
            scale = weights.normal(1, 0.3, num_filters)
            norm.set_weights([scale, weights.normal(0, 0.3, num_filters)])
    return decoder


def reference_logits(decoder, words, memory):
    """Computes the logits after `<s>` and each of the words, `[len(words) + 1, V]`."""
    is_recurrent = isinstance(decoder, RecurrentDecoder)
    run = _recurrent_states if is_recurrent else _convolutional_states
    table = decoder.embedding.get_weights()[0].astype(np.float64)
    values = run(decoder, table[[BOS_ID, *words]], np.asarray(memory, np.float64))
    if decoder.projection is not None:
        values = [np.tanh(_affine(decoder.projection, value)) for value in values]
    if is_recurrent and "output" in decoder.conditioning:
        values = [np.concatenate([value, memory]) for value in values]
    return np.stack([_affine(decoder.output_layer, value) for value in values])


def targets_of(words):
    """Returns the words that the decoder has to predict."""
    return [*words, EOS_ID]


def reference_log_prob(decoder, words, memory, read=None):
    """Sums the log-probabilities of words and `</s>`; `read` are the input words."""
    scores = log_softmax(reference_logits(decoder, read or words, memory))
    targets = targets_of(words)
    return scores[np.arange(len(targets)), targets].sum()


def reference_log_probs(decoder, tokens, memory):
    """Scores rows of words `[B, T]` with memories `[S, B, U]`, a list `[S][B]`."""
    sentences = [[word for word in row.tolist() if word] for row in tokens]
    return [
        [
            reference_log_prob(decoder, words, u)
            for words, u in zip(sentences, of_sample, strict=True)
        ]
        for of_sample in memory
    ]


def _affine(layer, values):
    """Applies a dense layer; returns zero without one."""
    if layer is None:
        return 0.0
    kernel, *bias = layer.get_weights()
    return values @ kernel + (bias[0] if bias else 0.0)


def _recurrent_states(decoder, vectors, memory):
    kernel, recurrent, bias, *rest = decoder.recurrence.get_weights()
    state = cell = np.zeros(decoder.hidden_dim)
    activation = np.tanh if decoder.state_activation == "tanh" else lambda x: x
    if decoder.memory_to_state is not None:
        state = activation(_affine(decoder.memory_to_state, memory))
    if decoder.memory_to_cell is not None:
        cell = activation(_affine(decoder.memory_to_cell, memory))
    if "bos" in decoder.conditioning:
        vectors[0] = memory
    states = []
    for vector in vectors:
        x = vector @ kernel + bias + _affine(decoder.memory_to_inputs, memory)
        if decoder.cell == "lstm":
            state, cell = lstm_step(x, state, cell, recurrent)
        else:
            state = gru_step(x, state, recurrent, rest[0])
        states.append(state)
    return states


def _convolutional_states(decoder, vectors, memory):
    values = [_affine(decoder.word_layer, vector) for vector in vectors]
    if memory.size:
        values[0] = _affine(decoder.memory_to_bos, memory)
        values = [value + _affine(decoder.memory_to_inputs, memory) for value in values]
    for block, dilation in zip(decoder.blocks, decoder.dilations, strict=True):
        values = _block(block, values, decoder.kernel_size, dilation)
    return values


def _block(block, values, kernel_size, dilation):
    inner = [_norm_relu(block.first_norm, _affine(block.first, x)) for x in values]
    kernel, bias = block.past.get_weights()
    kernel = kernel.reshape(kernel_size, len(bias), len(bias))
    outputs = []
    for place, value in enumerate(values):
        mixed = bias.astype(np.float64)
        for tap in range(kernel_size):
            source = place - (kernel_size - 1 - tap) * dilation
            if source >= 0:
                mixed = mixed + inner[source] @ kernel[tap]
        mixed = _affine(block.last, _norm_relu(block.past_norm, mixed))
        outputs.append(value + _norm_relu(block.last_norm, mixed))
    return outputs


def _norm_relu(layer, x):
    scale, shift = layer.get_weights()
    normed = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return np.maximum(normed * scale + shift, 0.0)
