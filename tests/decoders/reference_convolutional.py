"""The convolutional decoder in NumPy, float64, one position at a time."""

import numpy as np

from tests.decoders.reference import affine
from tests.support import BOS_ID


def reference_logits(decoder, words, memory):
    """Computes the logits after `<s>` and each of the words, `[len(words) + 1, V]`."""
    table = decoder.embedding.get_weights()[0].astype(np.float64)
    memory = np.asarray(memory, np.float64)
    values = [affine(decoder.word_layer, table[word]) for word in [BOS_ID, *words]]
    if memory.size:
        values[0] = affine(decoder.memory_to_first, memory)
        values = [value + affine(decoder.memory_to_steps, memory) for value in values]
    for block, dilation in zip(decoder.blocks, decoder.dilations, strict=True):
        values = _block(block, values, decoder.kernel_size, dilation)
    if decoder.projection is not None:
        values = [np.tanh(affine(decoder.projection, value)) for value in values]
    return np.stack([affine(decoder.output_layer, value) for value in values])


def _block(block, values, kernel_size, dilation):
    inner = [_norm_relu(block.first_norm, affine(block.first, x)) for x in values]
    kernel, bias = block.past.get_weights()
    kernel = kernel.reshape(kernel_size, len(bias), len(bias))
    outputs = []
    for place, value in enumerate(values):
        mixed = bias.astype(np.float64)
        for tap in range(kernel_size):
            source = place - (kernel_size - 1 - tap) * dilation
            if source >= 0:
                mixed = mixed + inner[source] @ kernel[tap]
        mixed = affine(block.last, _norm_relu(block.past_norm, mixed))
        outputs.append(value + _norm_relu(block.last_norm, mixed))
    return outputs


def _norm_relu(layer, x):
    scale, shift = layer.get_weights()
    normed = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return np.maximum(normed * scale + shift, 0.0)
