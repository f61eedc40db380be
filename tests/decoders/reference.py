"""The recurrent decoder as a NumPy loop over one sentence."""

import numpy as np

from tests.support import BOS_ID, EOS_ID, gru_step, log_softmax, lstm_step


def affine(layer, values):
    """Applies a dense layer, or gives zero for none."""
    if layer is None:
        return 0.0
    kernel, *bias = layer.get_weights()
    return values @ kernel + (bias[0] if bias else 0.0)


def reference_logits(decoder, words, memory):
    """Computes the logits after `<s>` and each of the words, `[len(words) + 1, V]`."""
    kernel, recurrent, bias, *rest = (
        weight.numpy() for weight in decoder.recurrence.weights
    )
    table = decoder.embedding.get_weights()[0]
    state = cell = np.zeros(decoder.hidden_dim)
    if decoder.memory_to_state is not None:
        state = affine(decoder.memory_to_state, memory)
        if decoder.state_activation == "tanh":
            state = np.tanh(state)
    if decoder.memory_to_cell is not None:
        cell = affine(decoder.memory_to_cell, memory)
        if decoder.state_activation == "tanh":
            cell = np.tanh(cell)
    logits = []
    for place, word in enumerate([BOS_ID, *words]):
        vector = table[word]
        if place == 0 and "first" in decoder.inject:
            vector = memory
        x = vector @ kernel + bias + affine(decoder.memory_to_steps, memory)
        if decoder.cell == "lstm":
            state, cell = lstm_step(x, state, cell, recurrent)
        else:
            state = gru_step(x, state, recurrent, rest[0])
        hidden = state
        if decoder.projection is not None:
            hidden = np.tanh(affine(decoder.projection, hidden))
        logits.append(affine(decoder.output_layer, hidden))
    return np.stack(logits)


def targets_of(words):
    """Gives the words that the decoder has to predict."""
    return [*words, EOS_ID]


def score(logits, words):
    """Adds up the log-probabilities of words and `</s>` under logits `[T + 1, V]`."""
    targets = targets_of(words)
    return log_softmax(logits)[np.arange(len(targets)), targets].sum()


def score_all(logits_of, decoder, tokens, memory):
    """Scores rows of words `[B, T]` with memories `[S, B, U]`, a list `[S][B]`.

    `logits_of(decoder, words, memory)` is a decoder's reference such as the above.
    """
    sentences = [[word for word in row.tolist() if word] for row in tokens]
    return [
        [
            score(logits_of(decoder, words, u), words)
            for words, u in zip(sentences, of_sample, strict=True)
        ]
        for of_sample in memory
    ]
