"""How good the sentences are that a model reconstructs and generates."""

import functools
import itertools

import keras
import numpy as np
import tensorflow as tf

from tfvae.evaluation.likelihood import SentenceScorer, any_size, perplexity
from tfvae.evaluation.ngram import NgramModel
from tfvae.evaluation.text_metrics import (
    bleu,
    bleu_known,
    bleu_single_order,
    count_cut,
    count_words,
    distinct,
    distinct_pooled,
    edit_distances,
    entropy,
    self_bleu,
    unigram_kl,
)
from tfvae.models import inference
from tfvae.models.conditional import response_ids
from tfvae.models.writing import BATCH_SIZE, generate_ids, texts_of
from tfvae.ops.runtime import graph_function
from tfvae.ops.sequences import EOS_ID, PAD_ID
from tfvae.samplers.sampler import Ancestral, Greedy
from tfvae.seeds import as_seed, fold_in
from tfvae.text import WordTokenizer
from tfvae.text.token_rows import TokenRows

_UNKNOWN = "<unk>"
# Sentences that a language model scores at once.
_SCORING_BATCH_SIZE = 64
# Lengths are rounded up to multiples, so that few shapes are traced.
_MULTIPLE = 8


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


def _until_end(ids):
    """Replaces `</s>`, and what might follow it, by padding."""
    ended = np.cumsum(ids == EOS_ID, axis=1) > 0
    return np.where(ended, PAD_ID, ids)


def _words(ids):
    return [row[row != PAD_ID].tolist() for row in ids]


def generation_quality(
    model,
    train_texts,
    test_texts,
    *,
    num_generated=100_000,
    num_distinct=3_200,
    num_self_bleu=200,
    num_ivae=1_280,
    language_model=None,
    order=5,
    max_length=200,
    batches=None,
    seed=0,
    progress=None,
):
    """Measures sentences generated from samples of the prior.

    Most metrics are of sentences whose words are sampled from the model's
    distribution. Two papers decode greedily, the most probable word at each step;
    their metrics have their names and are left out for a model without latent and
    condition, which would repeat one sentence. A model with a condition answers the
    contexts of `batches` in turn.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        train_texts: Callable that returns a fresh iterator of str, the sentences that
            the model was trained on.
        test_texts: Callable that returns a fresh iterator of str.
        num_generated: Positive int, sentences to generate. Defaults to `100_000`, as
            many as the papers take; reverse perplexity falls with their number.
        num_distinct: Positive int, sentences behind Dist-n, the first ones generated.
            Defaults to `3_200`.
        num_self_bleu: Int of at least 2, sentences compared with one another. Defaults
            to `200`.
        num_ivae: Positive int, sentences of the iVAE's protocol. Defaults to `1_280`.
        language_model: `LanguageModel` with a tokenizer that scores the generated
            sentences, or `None`.
        order: Int, of the n-gram model. Defaults to `5`.
        max_length: Positive int, the most ids of a sentence, `</s>` included. Defaults
            to `200`; the iVAE's protocol has 80.
        batches: Iterable of dicts that can be read again, with what the model's
            condition reads; `None` for a model without one.
        seed: Int. Defaults to `0`.
        progress: Callable of a total and a unit's name that returns an object with
            `update(num_done)`, such as `keras.utils.Progbar`; or `None`.

    Returns:
        Dict by keys of the group `"generation"` of `METRICS`; `"notes"`, a list of
        sentences, says what is left out.

    Raises:
        ValueError: If a count is out of range, a text has no known word, contexts are
            missing, or `language_model` has a latent.

    References:
        Qian and Cheung 2019, VAE-MINE, section 5.3 (forward and reverse perplexity);
        Fang et al. 2019, iVAE, table 5; Wu et al. 2020, Coupled-VAE, table 6;
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, table 1.
    """
    counts = (num_generated, num_distinct, num_ivae, num_self_bleu - 1)
    if min(counts) < 1:
        raise ValueError(
            "Numbers of sentences must be positive, and `num_self_bleu` at least 2. "
            f"Received: num_generated={num_generated}, num_distinct={num_distinct}, "
            f"num_ivae={num_ivae}, num_self_bleu={num_self_bleu}"
        )

    if model.requires and batches is None:
        raise ValueError(
            f"This {type(model).__name__} answers contexts. Pass `batches` that hold "
            "them. Received: batches=None"
        )

    def bar(num):
        return progress and progress(num, "sentence")

    def generated(num, sampler, max_length):
        options = {"sampler": sampler, "max_length": max_length, "seed": seed}
        if model.requires:
            rows = _responses(model, batches, num, **options)
        else:
            rows = generate_ids(model, num, batch_size=BATCH_SIZE, **options)
        return _read(model.tokenizer, rows, bar(num))

    reader = _Reader(model.tokenizer, train_texts)
    learn = functools.partial(NgramModel.fit, order=order, vocabulary=reader.vocabulary)
    train, test = reader.of(train_texts), reader.of(test_texts)
    for name, texts in (("train_texts", train), ("test_texts", test)):
        if not _has_words(texts()):
            raise ValueError(
                f"`{name}` must hold a word that the model's tokenizer knows. "
                "Received: none"
            )
    if language_model is not None:
        check_language_model(language_model)
    sampled, num_cut = generated(num_generated, Ancestral(), max_length)
    notes = []
    result = {
        "num_samples_generated": num_generated,
        "generated_cut_share": num_cut / num_generated,
        "seed": seed,
    }
    result |= _statistics(sampled, train, num_distinct, num_self_bleu, notes)
    if _has_words(sampled):
        result |= _perplexities(learn, train, test, sampled) | {"ngram_order": order}
        if language_model is not None:
            result |= language_model_perplexity(
                language_model, sampled, bar(num_generated)
            )
    if model.posterior is None and not model.requires:
        notes.append(
            "Metrics of greedy decoding are left out: without a latent every sentence "
            "would be the same."
        )
    else:
        greedy, _ = generated(num_distinct, Greedy(allow_unknown=False), max_length)
        result |= _coupled(greedy)
        greedy, _ = generated(num_ivae, Greedy(), 80)
        result |= _ivae(learn, train, reader.vocabulary, greedy, notes)
    return result | {"notes": notes} if notes else result


def _responses(model, batches, num, *, sampler, max_length, seed):
    """Answers the contexts of batches in turn until there are `num` responses.

    Yields:
        Int32 arrays `[N, max_length]` of ids.
    """
    index = 0
    while num > 0:
        for batch in batches:
            inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
            inputs = {key: np.asarray(inputs[key])[:num] for key in model.requires}
            own = fold_in(as_seed(seed), index)
            yield response_ids(model, inputs, 1, sampler, max_length, own)
            index, num = index + 1, num - len(inputs[model.requires[0]])
            if num <= 0:
                return


def _read(tokenizer, rows, bar):
    """Reads arrays of ids and tells a progress bar, or `None`, of them.

    Returns:
        Tuple of a list of str and how many of them were cut before their end.
    """
    texts, num_cut = [], 0
    for ids in rows:
        texts += texts_of(tokenizer, ids)
        num_cut += count_cut(ids)
        if bar is not None:
            bar.update(len(texts))
    return texts, num_cut


class _Reader:
    """Reads texts with the words that the model knows, the others `<unk>`."""

    def __init__(self, tokenizer, train_texts):
        self._lowercase = tokenizer.lowercase
        if isinstance(tokenizer, WordTokenizer):
            self.vocabulary = dict.fromkeys(tokenizer.vocabulary[4:])
        else:
            words = (w for text in self._lowered(train_texts) for w in text.split())
            self.vocabulary = dict.fromkeys(words)
            self.vocabulary.pop(_UNKNOWN, None)

    def of(self, texts):
        """Creates a callable that returns a fresh iterator of texts as read."""

        def read():
            for text in self._lowered(texts):
                words = text.split()
                yield " ".join(w if w in self.vocabulary else _UNKNOWN for w in words)

        return read

    def _lowered(self, texts):
        return (text.lower() if self._lowercase else text for text in texts())


def _perplexities(learn, train, test, sampled):
    """Computes the VAE-MINE's forward and reverse perplexity."""
    forward = learn(train()).score(sampled)
    reverse = learn(sampled).score(test())
    return {
        "forward_perplexity": forward.perplexity(),
        "num_tokens_forward": forward.num_words + forward.num_sentences,
        "reverse_perplexity": reverse.perplexity(),
        "num_tokens_reverse": reverse.num_words + reverse.num_sentences,
    }


def _ivae(learn, train, vocabulary, greedy, notes):
    """Computes the iVAE's forward and reverse perplexity."""
    if not _has_words(greedy):
        notes.append(
            "The iVAE's perplexities are left out: greedy decoding gave no known word."
        )
        return {}

    def learned(texts):
        # Each word is a line of its own first, so that none is unknown.
        return learn(itertools.chain(vocabulary, texts), unknown="skipped")

    forward = learned(train()).score(greedy)
    reverse = learned(greedy).score(train())
    return {
        "forward_perplexity_ivae": forward.perplexity(count_end=False),
        "num_words_forward_ivae": forward.num_words,
        "reverse_perplexity_ivae": reverse.perplexity(count_end=False),
        "num_words_reverse_ivae": reverse.num_words,
        "num_samples_ivae": len(greedy),
    }


def _coupled(greedy):
    """Computes the Coupled-VAE's Dist-1 and Dist-2."""
    sentences = [text.split() for text in greedy]
    return {
        "distinct_coupled_1": distinct(sentences, 1),
        "distinct_coupled_2": distinct(sentences, 2),
        "num_samples_distinct_coupled": len(sentences),
    }


def _statistics(sampled, train, num_distinct, num_self_bleu, notes):
    """Computes what needs no language model."""
    sentences = [text.split() for text in sampled]
    counts = count_words(sentences)
    num_words = sum(counts.values())
    some = sentences[:num_distinct]
    result = {
        "num_words_generated": num_words,
        "num_empty_generated": sum(not words for words in sentences),
        "average_length": num_words / len(sentences),
        "distinct_1": distinct(some, 1),
        "distinct_2": distinct(some, 2),
        "distinct_wae_1": distinct_pooled(some, 1),
        "distinct_wae_2": distinct_pooled(some, 2),
        "num_samples_distinct": len(some),
    }
    compared = [words for words in sentences if words][:num_self_bleu]
    if len(compared) > 1:
        result["self_bleu"] = self_bleu(compared)
        result["num_samples_self_bleu"] = len(compared)
    if not _has_words(sampled):
        notes.append(
            "Perplexities and statistics of words are left out: the generated "
            "sentences hold no known word."
        )
        return result
    of_train = count_words(text.split() for text in train())
    divergence, skipped = unigram_kl(counts, of_train)
    result["unigram_kl"] = divergence
    result["unigram_kl_skipped"] = skipped
    result["unigram_entropy"] = entropy(counts)
    return result


def _has_words(texts):
    return any(word != _UNKNOWN for text in texts for word in text.split())


def language_model_perplexity(model, texts, progress=None):
    """Computes the perplexity of texts under a language model.

    Words that its tokenizer does not know are `<unk>`. A sentence without words is
    its `</s>`.

    Args:
        model: `LanguageModel` with a tokenizer.
        texts: List of str.
        progress: Object whose `update(num_sentences_done)` is called, or `None`.

    Returns:
        Dict of `language_model_perplexity` and `num_tokens_language_model`.

    Raises:
        ValueError: If there is no text, or the model has a latent or no tokenizer.
    """
    check_language_model(model)
    if not texts:
        raise ValueError("`texts` must not be empty. Received: no text")
    scorer = SentenceScorer(model, 1, jit_compile=False)
    rows = TokenRows(*model.tokenizer.encode_batch(texts))
    order = np.argsort(rows.lengths, kind="stable")
    nats = num_tokens = 0
    for first in range(0, len(order), _SCORING_BATCH_SIZE):
        chosen = rows[order[first : first + _SCORING_BATCH_SIZE]]
        width = max(-(-int(chosen.lengths.max()) // _MULTIPLE), 1) * _MULTIPLE
        tokens = chosen.padded(width)
        scores = scorer({"tokens": tokens}, 0)
        nats += float(np.sum(scores.nll, dtype=np.float64))
        num_tokens += int(np.sum(scores.num_tokens))
        if progress is not None:
            progress.update(first + len(chosen))
    return {
        "language_model_perplexity": perplexity(nats, num_tokens),
        "num_tokens_language_model": num_tokens,
    }


def check_language_model(model):
    """Refuses a model whose likelihood is not exact, or that cannot read text.

    Raises:
        ValueError: If the model has a latent or no tokenizer.
    """
    if model.posterior is not None or model.tokenizer is None:
        raise ValueError(
            "`language_model` must be a `LanguageModel` with a tokenizer, whose "
            "likelihood is exact. Train one by the preset `language_model`. Received: "
            f"{type(model).__name__}, tokenizer={model.tokenizer}"
        )
