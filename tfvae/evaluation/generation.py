"""How good the sentences are that a model writes."""

import itertools

from tfvae.evaluation import diversity
from tfvae.evaluation.ngram import NgramModel
from tfvae.evaluation.scored_samples import (
    check_language_model,
    language_model_perplexity,
)
from tfvae.models.sampling import Ancestral, Greedy
from tfvae.models.writing import BATCH_SIZE, write
from tfvae.text import WordTokenizer

_UNKNOWN = "<unk>"


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
    ngram_model=NgramModel,
    order=5,
    max_length=200,
    seed=0,
    progress=None,
):
    """Measures sentences written from draws of the prior.

    Most figures are of sentences drawn word by word from the model's distribution.
    Two papers write greedily, the most probable word at each step; their figures
    have their names and are left out for a model without a latent, which would write
    one sentence again and again.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        train_texts: Callable that returns a fresh iterator of str, the sentences that
            the model was trained on.
        test_texts: Callable that returns a fresh iterator of str.
        num_generated: Positive int, sentences drawn. Defaults to `100_000`, as many as
            the papers take; reverse perplexity falls with their number.
        num_distinct: Positive int, sentences behind Dist-n, the first of those drawn.
            Defaults to `3_200`.
        num_self_bleu: Int of at least 2, sentences compared with one another. Defaults
            to `200`.
        num_ivae: Positive int, sentences of the iVAE's protocol. Defaults to `1_280`.
        language_model: `LanguageModel` with a tokenizer that scores the sentences
            drawn, or `None`.
        ngram_model: `NgramModel` or `KenlmModel`.
        order: Int, of the n-gram model. Defaults to `5`.
        max_length: Positive int, the most ids written, `</s>` included. Defaults to
            `200`; the iVAE's protocol has 80.
        seed: Int. Defaults to `0`.
        progress: Callable of a total and a unit's name that returns an object with
            `update(num_done)`, such as `keras.utils.Progbar`; or `None`.

    Returns:
        Dict of floats and ints by the keys of `text_figures`; `"notes"`, a list of
        sentences, says what is left out.

    Raises:
        ValueError: If a count is out of range, a text has no known word, or
            `language_model` has a latent.

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

    def draw(num, sampler, most):
        bar = progress(num, "sentence") if progress else None
        texts = []
        for text in write(
            model,
            num,
            sampler=sampler,
            max_length=most,
            seed=seed,
            batch_size=BATCH_SIZE,
        ):
            texts.append(text)
            if bar is not None and (len(texts) % BATCH_SIZE == 0 or len(texts) == num):
                bar.update(len(texts))
        return texts

    reader = _Reader(model.tokenizer, train_texts)
    learn = _Learner(ngram_model, order, reader.vocabulary)
    train, test = reader.of(train_texts), reader.of(test_texts)
    for name, texts in (("train_texts", train), ("test_texts", test)):
        if not _has_words(texts()):
            raise ValueError(
                f"`{name}` must hold a word that the model's tokenizer knows. "
                "Received: none"
            )
    if language_model is not None:
        check_language_model(language_model)
    drawn = draw(num_generated, Ancestral(), max_length)
    result = {"num_samples_generated": num_generated, "seed": seed}
    notes = result["notes"] = []
    result.update(_statistics(drawn, train, num_distinct, num_self_bleu, notes))
    if _has_words(drawn):
        result.update(_perplexities(learn, train, test, drawn))
        if language_model is not None:
            bar = progress(num_generated, "sentence") if progress else None
            result.update(language_model_perplexity(language_model, drawn, bar))
    if model.posterior is None:
        notes.append(
            "Figures of greedy writing are left out: without a latent every sentence "
            "would be the same."
        )
    else:
        greedy = draw(num_distinct, Greedy(allow_unknown=False), max_length)
        result.update(_coupled(greedy))
        result.update(_ivae(learn, train, draw(num_ivae, Greedy(), 80), notes))
    if not notes:
        del result["notes"]
    return result


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
        """Makes a callable that gives a fresh iterator of texts as read."""

        def read():
            for text in self._lowered(texts):
                words = text.split()
                yield " ".join(w if w in self.vocabulary else _UNKNOWN for w in words)

        return read

    def _lowered(self, texts):
        return (text.lower() if self._lowercase else text for text in texts())


class _Learner:
    """Learns n-gram models of one order and vocabulary."""

    def __init__(self, model, order, vocabulary):
        self.model, self.order, self.vocabulary = model, order, vocabulary

    def __call__(self, texts, unknown="word"):
        return self.model.fit(
            texts, self.order, vocabulary=self.vocabulary, unknown=unknown
        )


def _perplexities(learn, train, test, drawn):
    """Computes the VAE-MINE's forward and reverse perplexity."""
    forward = learn(train()).score(drawn)
    reverse = learn(drawn).score(test())
    return {
        "forward_perplexity": forward.perplexity(),
        "num_tokens_forward": forward.num_words + forward.num_sentences,
        "reverse_perplexity": reverse.perplexity(),
        "num_tokens_reverse": reverse.num_words + reverse.num_sentences,
        "ngram_order": learn.order,
        "ngram_model": learn.model.__name__,
    }


def _ivae(learn, train, written, notes):
    """Computes the iVAE's forward and reverse perplexity."""
    if not _has_words(written):
        notes.append(
            "The iVAE's perplexities are left out: greedy writing gave no known word."
        )
        return {}

    def learned(texts):
        # Each word is a line of its own first, so that none is unknown.
        return learn(itertools.chain(learn.vocabulary, texts), unknown="skipped")

    forward = learned(train()).score(written)
    reverse = learned(written).score(train())
    return {
        "forward_perplexity_ivae": forward.perplexity(count_end=False),
        "num_words_forward_ivae": forward.num_words,
        "reverse_perplexity_ivae": reverse.perplexity(count_end=False),
        "num_words_reverse_ivae": reverse.num_words,
        "num_samples_ivae": len(written),
    }


def _coupled(written):
    """Computes the Coupled-VAE's Dist-1 and Dist-2."""
    sentences = [text.split() for text in written]
    return {
        "distinct_coupled_1": diversity.distinct(sentences, 1),
        "distinct_coupled_2": diversity.distinct(sentences, 2),
        "num_samples_distinct_coupled": len(sentences),
    }


def _statistics(drawn, train, num_distinct, num_self_bleu, notes):
    """Computes what needs no language model."""
    sentences = [text.split() for text in drawn]
    counts = diversity.count_words(sentences)
    num_words = sum(counts.values())
    some = sentences[:num_distinct]
    result = {
        "num_words_generated": num_words,
        "num_empty_generated": sum(not words for words in sentences),
        "average_length": num_words / len(sentences),
        "distinct_1": diversity.distinct(some, 1),
        "distinct_2": diversity.distinct(some, 2),
        "distinct_wae_1": diversity.distinct_pooled(some, 1),
        "distinct_wae_2": diversity.distinct_pooled(some, 2),
        "num_samples_distinct": len(some),
    }
    compared = [words for words in sentences if words][:num_self_bleu]
    if len(compared) > 1:
        result["self_bleu"] = diversity.self_bleu(compared)
        result["num_samples_self_bleu"] = len(compared)
    if not _has_words(drawn):
        notes.append(
            "Perplexities and statistics of words are left out: the sentences drawn "
            "hold no known word."
        )
        return result
    of_train = diversity.count_words(text.split() for text in train())
    divergence, skipped = diversity.unigram_kl(counts, of_train)
    result["unigram_kl"] = divergence
    result["unigram_kl_skipped"] = skipped
    result["unigram_entropy"] = diversity.entropy(counts)
    return result


def _has_words(texts):
    return any(word != _UNKNOWN for text in texts for word in text.split())
