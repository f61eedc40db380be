"""How good and how varied the responses are that a model writes to contexts."""

import itertools

import keras
import numpy as np

from tfvae.evaluation import embeddings
from tfvae.evaluation.likelihood import partners
from tfvae.evaluation.text_metrics import (
    bleu,
    count_words,
    distinct,
    distinct_pooled,
    entropy,
    sentence_bleu,
    sentence_bleu_method7,
)
from tfvae.models.conditional import response_ids
from tfvae.models.writing import require_tokenizer, texts_of
from tfvae.ops.sequences import EOS_ID
from tfvae.samplers import Greedy
from tfvae.seeds import as_seed, fold_in
from tfvae.text import WordTokenizer
from tfvae.text.word_vectors import read_word_vectors

_END, _UNKNOWN = "</s>", "<unk>"
_SIMILARITIES = ("average", "extrema", "greedy")


def response_quality(
    model,
    batches,
    *,
    train_texts=None,
    embeddings_file=None,
    num_responses=10,
    sampler=None,
    max_length=200,
    seed=0,
    progress=None,
):
    """Answers contexts and compares the responses with the sentences that are there.

    Each response to a context is of a code of its own, sampled from the prior given the
    context. Words are those between whitespace; of the sentences those that the model's
    tokenizer knows, the others `<unk>`.

    Args:
        model: `VAE` or `LanguageModel` with a condition and a tokenizer.
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]`, the references, and
            what the model's condition reads.
        train_texts: Callable that returns a fresh iterator of str, the sentences that
            embeddings of words are learned from where there is no file of them. `None`
            leaves similarities of embeddings out.
        embeddings_file: Path of embeddings in the text format of GloVe or word2vec, or
            `None`.
        num_responses: Positive int `S`, responses to each context. Defaults to `10`,
            the papers'.
        sampler: `Sampler`, or `None` for the papers' `Greedy`, by which responses
            differ by their codes alone.
        max_length: Positive int, the most ids written, `</s>` included. Defaults to
            `200`.
        seed: Int. Defaults to `0`.
        progress: Object whose `update(num_batches_done)` is called after each batch,
            or `None`.

    Returns:
        Dict by keys of the group `"responses"` of `METRICS`; `"notes"`, a list of
        sentences, says what is left out.

    Raises:
        ValueError: If the model reads no context, there is no sentence, a count is out
            of range, or the embeddings are refused.
    """
    if num_responses < 1:
        raise ValueError(f"`num_responses` must be positive. Received: {num_responses}")
    tokenizer = require_tokenizer(model)
    references = [
        text.split()
        for inputs in map(_inputs, batches)
        for text in texts_of(tokenizer, inputs["tokens"])
    ]
    if not any(references):
        raise ValueError("`batches` must hold a sentence. Received: none")
    # Before the responses are written, since the embeddings may be refused.
    of_words = _embeddings(tokenizer, references, train_texts, embeddings_file, seed)
    responses, ended = [], []
    for index, inputs in enumerate(map(_inputs, batches)):
        ids = response_ids(
            model,
            {key: inputs[key] for key in model.requires},
            num_responses,
            sampler or Greedy(),
            max_length,
            fold_in(as_seed(seed), index),
        )
        num_rows = len(inputs["tokens"])
        words = [text.split() for text in texts_of(tokenizer, ids)]
        responses += [words[row::num_rows] for row in range(num_rows)]
        ended.append(np.any(ids == EOS_ID, axis=1).reshape(num_responses, num_rows).T)
        if progress is not None:
            progress.update(index + 1)
    return score_responses(
        references, responses, ended=np.concatenate(ended), of_words=of_words, seed=seed
    )


def score_responses(references, responses, *, ended=None, of_words=None, seed=0):
    """Compares responses with one reference for each context.

    Args:
        references: List of `N` lists of words.
        responses: List of `N` lists of `S` lists of words.
        ended: Bool array `[N, S]`, whether each response ended before it was cut, or
            `None` where all did.
        of_words: `WordEmbeddings`, or `None` to leave out what needs them.
        seed: Int, of the references that stand in for others. Defaults to `0`.

    Returns:
        Dict by keys of the group `"responses"` of `METRICS`.

    Raises:
        ValueError: If there is no response, or their numbers differ.
    """
    sizes = {len(each) for each in responses}
    if len(references) != len(responses) or len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            "`responses` must hold equally many lists of words for each of "
            f"`references`, at least one. Received: {len(references)} references, "
            f"{len(responses)} contexts with {sorted(sizes)} responses"
        )
    if ended is None:
        ended = np.ones([len(responses), *sizes], bool)
    result = _bleu(references, responses, ended)
    if of_words is not None:
        result |= _similarities(references, responses, of_words, seed)
    result |= _diversity(responses)
    pooled = list(itertools.chain.from_iterable(responses))
    result["response_length"] = float(np.mean([len(words) for words in pooled]))
    result["reference_length"] = float(np.mean([len(words) for words in references]))
    result["response_cut_share"] = float(1 - np.mean(ended))
    result["num_responses"] = sizes.pop()
    result["num_contexts"] = len(responses)
    result["seed"] = seed
    if of_words is None:
        result["notes"] = [
            "Similarities of embeddings are left out: they need `train_texts` to learn "
            "embeddings from, or a file of them."
        ]
    return result


def _inputs(batch):
    inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    return {name: np.asarray(value) for name, value in inputs.items()}


def _embeddings(tokenizer, references, train_texts, path, seed):
    """Returns the embeddings of words, `None` where there is nothing to learn from."""

    def texts():
        found = train_texts()
        return (text.lower() for text in found) if tokenizer.lowercase else found

    if path is not None:
        words = dict.fromkeys(itertools.chain.from_iterable(references))
        if isinstance(tokenizer, WordTokenizer):
            words |= dict.fromkeys(tokenizer.vocabulary)
        elif train_texts is not None:
            words |= dict.fromkeys(word for text in texts() for word in text.split())
        vectors = read_word_vectors(path, list(words))
        return embeddings.WordEmbeddings(str(path), vectors)
    return train_texts and embeddings.learn_embeddings(texts(), seed=seed)


def _bleu(references, responses, ended):
    # What the model does not know may be any word: it matches nothing.
    known = [[None if w == _UNKNOWN else w for w in words] for words in references]
    by_response = [
        [sentence_bleu(reference, words) for words in each]
        for reference, each in zip(known, responses, strict=True)
    ]
    method7 = [
        [
            sentence_bleu_method7([*reference, _END], words + [_END] * int(has_end))
            for words, has_end in zip(each, ends, strict=True)
        ]
        for reference, each, ends in zip(references, responses, ended, strict=True)
    ]
    result = {}
    for suffix, scores in (("", by_response), ("_method7", method7)):
        recall = float(np.max(scores, axis=1).mean())
        precision = float(np.mean(scores))
        total = recall + precision
        result[f"response_bleu_recall{suffix}"] = recall
        result[f"response_bleu_precision{suffix}"] = precision
        result[f"response_bleu_f1{suffix}"] = 2 * recall * precision / (total or 1.0)
    of_corpus = bleu(known, [each[0] for each in responses])
    return result | {f"response_bleu_{n}": of_corpus[f"bleu_{n}"] for n in (2, 4)}


def _similarities(references, responses, of_words, seed):
    """Compares embeddings; references without one are left out."""
    embedded = [embeddings.embed(words, of_words.vectors) for words in references]
    rows = [row for row, each in enumerate(embedded) if each is not None]
    words = list(itertools.chain(*references, *itertools.chain(*responses)))
    result = {
        "embedding": of_words.name,
        "embedding_coverage": sum(w in of_words.vectors for w in words) / len(words),
        "num_contexts_embedded": len(rows),
    }
    if not rows:
        return result
    written = [
        [embeddings.embed(words, of_words.vectors) for words in responses[row]]
        for row in rows
    ]
    own = [embedded[row] for row in rows]
    found = {"": own}
    if len(rows) > 1:
        found["_random"] = [own[other] for other in partners(len(rows), 2, seed)[1]]
    for suffix, others in found.items():
        scores = np.array(
            [
                [embeddings.similarities(other, one) for one in each]
                for other, each in zip(others, written, strict=True)
            ]
        )
        of_suffix = {suffix: scores.mean(axis=1)}
        if not suffix:
            of_suffix["_max"] = scores.max(axis=1)
        for name, values in of_suffix.items():
            for kind, value in zip(_SIMILARITIES, values.mean(axis=0), strict=True):
                result[f"bow_{kind}{name}"] = float(value)
    return result


def _diversity(responses):
    firsts = [each[0] for each in responses]
    pooled = list(itertools.chain.from_iterable(responses))
    result = {}
    for n in (1, 2):
        within = [distinct([words], n) for words in pooled]
        has_grams = [len(words) >= n for words in pooled]
        among = [
            distinct(each, n)
            for each in responses
            if any(len(words) >= n for words in each)
        ]
        result[f"intra_dist_{n}"] = sum(within) / max(sum(has_grams), 1)
        result[f"intra_dist_ivae_{n}"] = sum(within) / len(pooled)
        result[f"inter_dist_{n}"] = float(np.mean(among)) if among else 0.0
        result[f"corpus_dist_{n}"] = distinct(firsts, n)
        result[f"corpus_dist_wae_{n}"] = distinct_pooled(firsts, n)
    if any(firsts):
        result["response_entropy"] = entropy(count_words(firsts))
    result["distinct_responses"] = float(
        np.mean([len(set(map(tuple, each))) / len(each) for each in responses])
    )
    result["num_empty_responses"] = sum(not words for words in pooled)
    return result
