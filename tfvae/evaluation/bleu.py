"""How much sentences are like others: BLEU, exact match, edits."""

import collections
import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.likelihood import any_size
from tfvae.models import inference
from tfvae.ops.graph import graph_function
from tfvae.ops.sequences import EOS_ID, PAD_ID, UNK_ID
from tfvae.samplers.sampler import Greedy
from tfvae.seeds import as_seed, fold_in

# Weights of 1-grams, 2-grams and so on.
BLEU_WEIGHTS = {
    "bleu_1": (1.0,),
    "bleu_2": (1 / 2,) * 2,
    "bleu_3": (1 / 3,) * 3,
    "bleu_4": (1 / 4,) * 4,
    "bleu_wae_3": (0.34, 0.33, 0.33),
}


def reconstruction_quality(
    model, batches, *, num_samples=10, max_length=200, seed=0, progress=None
):
    """Encodes sentences, decodes the codes and compares, word by word.

    Words are the model's own: one that its tokenizer does not know is `<unk>`, in
    the reference too.

    Args:
        model: `VAE`.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them.
        num_samples: Int, codes sampled from each posterior for `bleu_coupled_1` and
            `bleu_coupled_2`, or `0` to leave them out. The other metrics take the
            posterior's mode. Defaults to `10`, the paper's.
        max_length: Positive int, the most ids decoded, `</s>` included. Defaults to
            `200`.
        seed: Int, of the codes. Defaults to `0`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            or `None`.

    Returns:
        Dict by keys of the group `"reconstruction"` of `METRICS`.

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
    decode = _decoder(model, num_samples, max_length)
    references, modes, distances = [], [], []
    repeated, samples, num_cut = [], [], 0
    for index, batch in enumerate(batches):
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
        inputs = {name: tf.convert_to_tensor(value) for name, value in inputs.items()}
        batch_seed = fold_in(as_seed(seed), index)
        # Traced for every size at once.
        specs = tf.nest.map_structure(any_size, (inputs, batch_seed))
        decode.get_concrete_function(*specs)
        of_mode, of_samples = decode(inputs, batch_seed)
        tokens = inputs["tokens"].numpy()
        num_cut += count_cut(of_mode)
        of_mode = _until_end(of_mode.numpy())
        words = _words(tokens)
        references += words
        modes += _words(of_mode)
        distances.append(edit_distances(tokens, of_mode))
        if num_samples:
            repeated += num_samples * words
            samples += _words(_until_end(of_samples.numpy()))
        if progress is not None:
            progress.update(index + 1)
    if not references:
        raise ValueError("`batches` must hold at least one sentence. Received: none")
    num_words = sum(map(len, references))
    if not num_words:
        raise ValueError("`batches` must hold a word. Received: empty sentences only")
    exact = [one == other for one, other in zip(references, modes, strict=True)]
    result = bleu(references, modes) | bleu_known(references, modes)
    result["exact_match"] = sum(exact) / len(exact)
    result["token_error_rate"] = float(np.concatenate(distances).sum() / num_words)
    result["reconstructed_cut_share"] = num_cut / len(references)
    result["num_reconstructed"] = len(references)
    result["num_words_reconstructed"] = num_words
    if num_samples:
        # The paper's code keeps one word of a sentence that ends at once.
        samples = [words or [EOS_ID] for words in samples]
        result["bleu_coupled_1"] = bleu_single_order(repeated, samples, 1)
        result["bleu_coupled_2"] = bleu_single_order(repeated, samples, 2)
        result["num_samples_bleu_coupled"] = num_samples
    result["seed"] = seed
    return result


def _decoder(model, num_samples, max_length):
    """Creates a function of a batch and a seed.

    It returns ids `[B, max_length]` from the posteriors' modes, and
    `[S * B, max_length]` without `<unk>` from samples, or `None`.
    """

    @graph_function
    def decode(inputs, seed):
        params = model.posterior_params(inputs)
        mode = model.posterior.mode(params)
        context = inference.encode_condition(model, inputs, seed)
        of_mode = model.decode_ids(
            mode, context=context, sampler=Greedy(), max_length=max_length
        )
        if not num_samples:
            return of_mode, None
        z = model.posterior.sample(params, num_samples, seed)[0]
        if context is not None:
            context = tf.tile(context, [num_samples, 1])
        of_samples = model.decode_ids(
            tf.reshape(z, [-1, z.shape[-1]]),
            context=context,
            sampler=Greedy(allow_unknown=False),
            max_length=max_length,
        )
        return of_mode, of_samples

    return decode


def count_cut(ids):
    """Counts the sentences that were cut before their `</s>`, of ids `[B, L]`."""
    return int(np.sum(~np.any(np.asarray(ids) == EOS_ID, axis=1)))


def _until_end(ids):
    """Replaces `</s>`, and what might follow it, by padding."""
    ended = np.cumsum(ids == EOS_ID, axis=1) > 0
    return np.where(ended, PAD_ID, ids)


def _words(ids):
    return [row[row != PAD_ID].tolist() for row in ids]


def bleu(references, hypotheses):
    """Computes corpus BLEU by NLTK, without smoothing.

    Args:
        references: List of lists of words, one reference per hypothesis.
        hypotheses: List of lists of words.

    Returns:
        Dict of floats from 0 to 1, one for each of `BLEU_WEIGHTS`.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.

    References:
        Papineni et al. 2002. In NLTK a sentence shorter than `n` counts as one n-gram
        without a match.
    """
    # Imported where it is used: that takes a second.
    from nltk.translate.bleu_score import corpus_bleu

    _check(references, hypotheses)
    with warnings.catch_warnings():
        # NLTK warns where nothing matches, which 0 says too.
        warnings.filterwarnings("ignore", module=r"nltk\.", category=UserWarning)
        scores = corpus_bleu(
            [[reference] for reference in references],
            hypotheses,
            list(BLEU_WEIGHTS.values()),
        )
    # Where no n-gram matches NLTK takes the smallest float in place of 0.
    scores = (float(score) if score > 1e-30 else 0.0 for score in scores)
    return dict(zip(BLEU_WEIGHTS, scores, strict=True))


def bleu_known(references, hypotheses):
    """Computes corpus BLEU as `bleu` does, without credit for `<unk>`.

    An `<unk>` of a reference and one of a hypothesis may be different words, so they
    do not match; both count as words.

    Args:
        references: List of lists of word ids, one reference per hypothesis.
        hypotheses: List of lists of word ids.

    Returns:
        Dict of floats from 0 to 1, `bleu_known_1` to `bleu_known_4`.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.
    """
    # An id that no other side has.
    references = [
        [-1 if word == UNK_ID else word for word in words] for words in references
    ]
    scores = bleu(references, hypotheses)
    return {f"bleu_known_{n}": scores[f"bleu_{n}"] for n in (1, 2, 3, 4)}


def bleu_single_order(references, hypotheses, n):
    """Computes the precision of n-grams of one order times the brevity penalty.

    That is not BLEU-n, which takes the geometric mean over orders up to `n`. Here,
    a sentence shorter than `n` counts nothing.

    Args:
        references: List of lists of words, one reference per hypothesis.
        hypotheses: List of lists of words.
        n: Positive int.

    Returns:
        Float from 0 to 1.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, table 2, whose numbers
        are these times 100.
    """
    from nltk.translate.bleu_score import brevity_penalty

    _check(references, hypotheses)
    matches = total = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        grams = _count(hypothesis, n)
        matches += (grams & _count(reference, n)).total()
        total += grams.total()
    lengths = [sum(map(len, side)) for side in (references, hypotheses)]
    return brevity_penalty(*lengths) * matches / total if matches else 0.0


def sentence_bleu(reference, hypothesis):
    """Computes the BLEU-4 of a sentence, smoothed.

    One is added to the matches and to the n-grams of every order above the first.

    Args:
        reference: Sequence of words.
        hypothesis: Sequence of words.

    Returns:
        Float from 0 to 1; 0 where no word matches.

    References:
        Lin and Och 2004, ORANGE; Chen and Cherry 2014, A Systematic Comparison of
        Smoothing Techniques for Sentence-Level BLEU, technique 2. As in NLTK, a
        sentence shorter than `n` counts as one n-gram without a match.
    """
    (matches, total), *higher = (
        _matches(reference, hypothesis, n) for n in range(1, 5)
    )
    if not matches:
        return 0.0
    precisions = [matches / total, *((m + 1) / (t + 1) for m, t in higher)]
    return _geometric_mean(precisions) * _brevity(reference, hypothesis)


def sentence_bleu_method7(reference, hypothesis):
    """Computes the smoothed BLEU-3 of a sentence that papers on dialogue report.

    Orders 1 to 3 count alike, though the papers speak of 4-grams. A precision of 0
    becomes `log(length) / (5 * 2 ** k)` matches, `k` the number of zeros up to it; then
    each precision is the mean of itself, the one below as smoothed and the one above.

    Args:
        reference: Sequence of words.
        hypothesis: Sequence of words.

    Returns:
        Float; 0 where no word matches. It may be above 1, since the smoothing takes the
        precision below the first to be one more than the first.

    References:
        Chen and Cherry 2014, technique 7, as `SmoothingFunction.method7` of NLTK has it
        since version 3.6 with the weights of Zhao et al. 2017, Learning Discourse-level
        Diversity: above the third order it takes the fifth. The papers ran an older
        NLTK, whose method 4 differs where a precision is 0.
    """
    counts = [_matches(reference, hypothesis, n) for n in (1, 2, 3, 5)]
    if not counts[0][0]:
        return 0.0
    precisions, num_zeros = [], 0
    for matches, total in counts[:3]:
        if not matches and len(hypothesis) > 1:
            num_zeros += 1
            matches = math.log(len(hypothesis)) / (5 * 2**num_zeros)
        precisions.append(matches / total)
    precisions.append(counts[3][0] / counts[3][1])
    below, smoothed = precisions[0] + 1, []
    for own, above in zip(precisions[:-1], precisions[1:], strict=True):
        below = (below + own + above) / 3
        smoothed.append(below)
    return _geometric_mean(smoothed) * _brevity(reference, hypothesis)


def edit_distances(references, hypotheses):
    """Counts the words to insert, delete or replace, for each pair of sentences.

    Args:
        references: Int array `[B, T]`, padded.
        hypotheses: Int array `[B, U]`, padded by the same id.

    Returns:
        Int64 array `[B]`.

    References:
        Wagner and Fischer 1974, a row at a time for all pairs at once: insertions
        along a row are a running minimum of costs less their place.
    """
    references, hypotheses = np.asarray(references), np.asarray(hypotheses)
    lengths = (references != 0).sum(1), (hypotheses != 0).sum(1)
    place = np.arange(hypotheses.shape[1] + 1)
    rows = [np.tile(place, (len(references), 1))]
    for index in range(references.shape[1]):
        replaced = rows[-1][:, :-1] + (references[:, index, None] != hypotheses)
        row = rows[-1] + 1
        row[:, 1:] = np.minimum(row[:, 1:], replaced)
        rows.append(np.minimum.accumulate(row - place, axis=1) + place)
    return np.stack(rows)[lengths[0], np.arange(len(references)), lengths[1]]


def _matches(reference, hypothesis, n):
    """Counts n-grams of a hypothesis that a reference has, and all, at least 1."""
    grams = _count(hypothesis, n)
    return (grams & _count(reference, n)).total(), max(grams.total(), 1)


def _geometric_mean(values):
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _brevity(reference, hypothesis):
    return min(1.0, math.exp(1 - len(reference) / len(hypothesis)))


def _count(words, n):
    grams = zip(*(words[i:] for i in range(n)), strict=False)
    return collections.Counter(grams)


def _check(references, hypotheses):
    if not hypotheses or len(references) != len(hypotheses):
        raise ValueError(
            "`hypotheses` must hold a sentence for each reference, at least one. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} references"
        )
