"""How well a model writes sentences again that it has encoded."""

import numpy as np
import tensorflow as tf

from tfvae.evaluation.overlap import bleu, bleu_single_order, edit_distances
from tfvae.kernels.sequences import EOS_ID, PAD_ID
from tfvae.models.sampling import Greedy
from tfvae.seeds import as_seed, fold_in


def reconstruction_quality(
    model, batches, *, num_samples=10, max_length=200, seed=0, progress=None
):
    """Encodes sentences, writes them again and compares, word by word.

    Words are the model's own: one that its tokenizer does not know is `<unk>`, in
    the reference too.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        num_samples: Int, codes drawn from each posterior for `bleu_coupled_1` and
            `bleu_coupled_2`, or `0` to leave them out. The other figures take the
            posterior's point. Defaults to `10`, the paper's.
        max_length: Positive int, the most ids written, `</s>` included. Defaults to
            `200`.
        seed: Int, of the codes. Defaults to `0`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            or `None`.

    Returns:
        Dict of floats and ints by the keys of `text_figures`.

    Raises:
        ValueError: If the model has no latent, there is no sentence, or a count is
            out of range.
    """
    if model.posterior is None:
        raise ValueError(
            f"A {type(model).__name__} has no latent to encode a sentence into, so it "
            "has no reconstruction. Use a VAE."
        )
    if num_samples < 0:
        raise ValueError(
            f"`num_samples` must not be negative. Received: num_samples={num_samples}"
        )
    write = _writer(model, num_samples, max_length)
    references, points, samples, distances = [], [], [], []
    for index, inputs in enumerate(batches):
        inputs = {name: tf.convert_to_tensor(value) for name, value in inputs.items()}
        batch_seed = fold_in(as_seed(seed), index)
        # Traced for every size at once.
        specs = tf.nest.map_structure(_any_size, (inputs, batch_seed))
        write.get_concrete_function(*specs)
        point, drawn = write(inputs, batch_seed)
        tokens = inputs["tokens"].numpy()
        point = _until_end(point.numpy())
        references += _words(tokens)
        points += _words(point)
        distances.append(edit_distances(tokens, point))
        samples += [_words(_until_end(ids)) for ids in _per_sample(drawn, len(tokens))]
        if progress is not None:
            progress.update(index + 1)
    if not references:
        raise ValueError("`batches` must hold at least one sentence. Received: none")
    num_words = sum(map(len, references))
    if not num_words:
        raise ValueError("`batches` must hold a word. Received: empty sentences only")
    exact = [one == other for one, other in zip(references, points, strict=True)]
    result = bleu(references, points)
    result["exact_match"] = sum(exact) / len(exact)
    result["token_error_rate"] = float(np.concatenate(distances).sum() / num_words)
    result["num_reconstructed"] = len(references)
    result["num_words_reconstructed"] = num_words
    if num_samples:
        result.update(_coupled(references, samples, num_samples))
    result["seed"] = seed
    return result


def _writer(model, num_samples, max_length):
    """Makes a function of a batch and a seed.

    It gives ids `[B, max_length]` from the posteriors' points, and `[S * B,
    max_length]` without `<unk>` from draws, or `None`.
    """

    @tf.function
    def write(inputs, seed):
        params = model.encode(inputs)
        point = model.posterior.point(params)
        written = model.decode(point, sampler=Greedy(), max_length=max_length)
        if not num_samples:
            return written, None
        z = model.posterior.sample(params, num_samples, seed)[0]
        drawn = model.decode(
            tf.reshape(z, [-1, z.shape[-1]]),
            sampler=Greedy(allow_unknown=False),
            max_length=max_length,
        )
        return written, drawn

    return write


def _any_size(tensor):
    return tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype)


def _coupled(references, samples, num_samples):
    """Computes the Coupled-VAE's BLEU over all samples of all sentences.

    Args:
        references: List of lists of ids, one a sentence.
        samples: List of lists of sentences; those of one batch follow one another,
            one list for each sample.
        num_samples: Positive int.
    """
    repeated, drawn, start = [], [], 0
    for index in range(0, len(samples), num_samples):
        of_batch = samples[index : index + num_samples]
        size = len(of_batch[0])
        for sample in of_batch:
            repeated += references[start : start + size]
            # The paper's code keeps one word of a sentence that ends at once.
            drawn += [words or [EOS_ID] for words in sample]
        start += size
    return {
        "bleu_coupled_1": bleu_single_order(repeated, drawn, 1),
        "bleu_coupled_2": bleu_single_order(repeated, drawn, 2),
        "num_samples_bleu_coupled": num_samples,
    }


def _per_sample(drawn, size):
    if drawn is None:
        return []
    return drawn.numpy().reshape([-1, size, drawn.shape[-1]])


def _until_end(ids):
    """Replaces `</s>`, and what might follow it, by padding."""
    ended = np.cumsum(ids == EOS_ID, axis=1) > 0
    return np.where(ended, PAD_ID, ids)


def _words(ids):
    return [row[row != PAD_ID].tolist() for row in ids]
