"""How well a model writes sentences again with other labels.

For any text by classifiers, for the default grammar by its truth.
"""

import functools
import itertools

import numpy as np

from tfvae.checks import require_extra
from tfvae.evaluation.ngram import NgramModel
from tfvae.evaluation.text_metrics import bleu, sentence_bleu_method7
from tfvae.models.conditional import require_transfer
from tfvae.models.inputs import require_tokenizer, tokenize
from tfvae.models.writing import texts_of
from tfvae.text import ATTRIBUTES, default_grammar
from tfvae.text.grammar.rules import ADVERBS, JUDGING_VERBS, PERSON_ADJECTIVES
from tfvae.text.labels import label_name
from tfvae.text.vocabulary import chunks

_CHUNK = 1000
# The most ids written, and the most words read.
_MAX_LENGTH = 200


def check_classifiers():
    """Checks that what classifiers are made of is installed.

    Raises:
        ValueError: If it is not.
    """
    require_extra("measures", "Classifying transferred sentences", "sklearn")


def _learn_classifiers(texts, labels, seed):
    """Learns two classifiers of texts, of different kinds, by scikit-learn.

    The first is a logistic regression on the TF-IDF of sequences of 1 to 3 words; the
    second, a check on it, a naive Bayes classifier of the words that occur.
    """
    # Imported where it is used: that takes a second.
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.pipeline import make_pipeline

    # Whatever stands between white space is a word.
    words = {"token_pattern": r"\S+", "lowercase": False}
    sequences = TfidfVectorizer(ngram_range=(1, 3), **words)
    occurrences = CountVectorizer(binary=True, **words)
    # A weak penalty, since texts are many and sequences rare.
    logistic = LogisticRegression(C=10.0, max_iter=1000, random_state=seed)
    return (
        make_pipeline(sequences, logistic).fit(texts, labels),
        make_pipeline(occurrences, BernoulliNB()).fit(texts, labels),
    )


def _accuracies(classifiers, texts, labels):
    """Computes the share of texts that get their labels by each classifier."""
    labels = np.asarray(labels)
    return [float(np.mean(each.predict(texts) == labels)) for each in classifiers]


def transfer_quality(model, records, train_records, *, seed=0, progress=None):
    """Writes each sentence with every other label, greedily, and measures the result.

    Args:
        model: `VAE` that transfers, see `VAE.transfer`.
        records: Iterable of dicts with `"text"` and `"label"`, sentences that neither
            the model nor a classifier was trained on.
        train_records: The same of the training split.
        seed: Int. Defaults to `0`.
        progress: Callable of a total and a unit's name that returns an object with
            `update(num_done)`, or `None`.

    Returns:
        Dict as of `measure_transfers`.

    Raises:
        ValueError: If the model does not transfer, or a label is unknown.
    """
    require_transfer(model)
    texts, labels = _known(model, records)
    train_texts, train_labels = _known(model, train_records)
    if not texts or not train_texts:
        raise ValueError("Transfer needs sentences to train on and to write again.")
    sources, targets, places = [], [], []
    for text, label in zip(texts, labels, strict=True):
        for target in model.label_names:
            if target != label:
                sources.append(text)
                targets.append(target)
                places.append(label)
    bar = progress and progress(len(sources), "sentence")
    written = []
    for start in range(0, len(sources), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        written += model.transfer(
            sources[chunk], targets[chunk], max_length=_MAX_LENGTH, seed=seed
        )
        if bar:
            bar.update(len(written))
    return measure_transfers(
        sources,
        places,
        written,
        targets,
        texts=texts,
        labels=labels,
        train_texts=train_texts,
        train_labels=train_labels,
        seed=seed,
    )


def measure_transfers(
    sources,
    source_labels,
    transferred,
    targets,
    *,
    texts,
    labels,
    train_texts,
    train_labels,
    seed=0,
):
    """Measures sentences that were written again with other labels.

    Everything is computed for each direction, from one label to another, and averaged
    without weights. Words are what stands between white space.

    Args:
        sources: List of str.
        source_labels: List of str, the labels that they have.
        transferred: List of str, what became of them.
        targets: List of str, the labels that they were to get, others than their own.
        texts: List of str, sentences that nothing was trained on, for the classifiers'
            own accuracies and the reverse perplexities.
        labels: List of str, their labels.
        train_texts: List of str, the training split, which the classifiers and the
            n-gram models learn.
        train_labels: List of str, their labels.
        seed: Int. Defaults to `0`.

    Returns:
        Dict by keys of the group `"transfer"` of `METRICS`, and
        `"transfer_directions"`, a dict from `"negative to positive"`, say, to a dict of
        the metrics of that direction.

    Raises:
        ValueError: If there is no sentence or `scikit-learn` is not installed.
    """
    check_classifiers()
    if not sources:
        raise ValueError("`sources` must hold a sentence. Received: none")
    classifiers = _learn_classifiers(train_texts, train_labels, seed)
    accuracy, bayes = _accuracies(classifiers, texts, labels)
    # One vocabulary, that of all training sentences, so that a word of another label is
    # improbable and not unknown.
    vocabulary = dict.fromkeys(word for text in train_texts for word in text.split())
    vocabulary.pop("<unk>", None)
    learn = functools.partial(NgramModel.fit, order=5, vocabulary=vocabulary)
    learned, directions = {}, {}
    rows = list(zip(source_labels, targets, sources, transferred, strict=True))
    for key in sorted({row[:2] for row in rows}):
        _, target = key
        before, after = zip(*(row[2:] for row in rows if row[:2] == key), strict=True)
        if target not in learned:
            learned[target] = learn(_of_label(train_texts, train_labels, target))
        found = _direction(before, after, target, classifiers)
        if any(word in vocabulary for text in after for word in text.split()):
            forward, reverse = learned[target].score(after), learn(after)
            found["transfer_perplexity"] = forward.perplexity()
            if untouched := _of_label(texts, labels, target):
                reverse = reverse.score(untouched).perplexity()
                found["transfer_reverse_perplexity"] = reverse
        directions[" to ".join(key)] = found
    result = {
        key: float(np.mean([each[key] for each in directions.values() if key in each]))
        for key in dict.fromkeys(itertools.chain(*directions.values()))
    }
    return result | {
        "transfer_classifier_accuracy": accuracy,
        "transfer_bayes_classifier_accuracy": bayes,
        "num_transferred": len(rows),
        "transfer_directions": directions,
    }


def _direction(sources, transferred, target, classifiers):
    """Computes the metrics of one direction that need no language model."""
    labels = [target] * len(transferred)
    accuracy, bayes = _accuracies(classifiers, transferred, labels)
    references = [text.split() for text in sources]
    hypotheses = [text.split() for text in transferred]
    similarity = bleu(references, hypotheses)["bleu_4"]
    of_sentences = map(sentence_bleu_method7, references, hypotheses)
    copies = [a == b for a, b in zip(references, hypotheses, strict=True)]
    return {
        "transfer_accuracy": accuracy,
        "transfer_bayes_accuracy": bayes,
        "transfer_self_bleu": similarity,
        "transfer_self_bleu_method7": float(np.mean(list(of_sentences))),
        "transfer_copy": float(np.mean(copies)),
        "transfer_joint": float(np.sqrt(accuracy * similarity)),
    }


def _of_label(texts, labels, label):
    return [text for text, own in zip(texts, labels, strict=True) if own == label]


def _known(model, records):
    """Returns texts in the words that the model knows, and the names of labels."""
    tokenizer, texts, labels = require_tokenizer(model), [], []
    for chunk in chunks(records, _CHUNK):
        for record in chunk:
            if isinstance(record, str) or "label" not in record:
                raise ValueError(
                    "Transfer is measured on sentences with their labels. Name the "
                    "column of the labels (--label-column). "
                    f"Received: {record!r}"
                )
        tokens = tokenize(model, [row["text"] for row in chunk], _MAX_LENGTH)
        texts += texts_of(tokenizer, tokens["tokens"])
        names = [label_name(row["label"]) for row in chunk]
        labels += [model.label_names[model.label_number(name)] for name in names]
    return texts, labels


@functools.cache
def _kinds():
    """Returns the kind of each word that tells a sentiment."""
    kinds = {}
    for sentiment in ATTRIBUTES["sentiment"]:
        kinds |= dict.fromkeys(PERSON_ADJECTIVES[sentiment], "adjective")
        kinds |= dict.fromkeys(ADVERBS[sentiment], "adverb")
        for verb in JUDGING_VERBS[sentiment]:
            kinds |= zip(verb, ("base", "third", "past"), strict=True)
    return kinds


def _content(text):
    """Returns a sentence's words, those that tell the sentiment by their kind alone."""
    return [_kinds().get(word, word) for word in text.split()]


def measure_grammar_transfer(sources, transferred, labels):
    """Measures transfers of sentiment exactly, by parsing them.

    Args:
        sources: List of str, sentences of the default grammar.
        transferred: List of str, what became of them.
        labels: List of str, the wanted one of `ATTRIBUTES["sentiment"]` for each.

    Returns:
        Dict of floats, shares of all sentences: `grammatical`; `sentiment_reached`,
        those that parse and have the wanted sentiment; `topic_kept`, `tense_kept` and
        `form_kept`, those that parse and have the source's; `content_kept`, those with
        no word changed but those that tell a sentiment; and `exact`, those that are
        grammatical, of the wanted sentiment and with their content kept.

    Raises:
        ValueError: If a source is no sentence of the grammar or a label unknown.
    """
    grammar = default_grammar()
    names = ATTRIBUTES["sentiment"]
    rows = []
    for source, text, label in zip(sources, transferred, labels, strict=True):
        before, after = grammar.parse(source), grammar.parse(text)
        if before is None or label not in names:
            raise ValueError(
                "`sources` must be sentences of the grammar and `labels` of "
                f"{', '.join(names)}. Received: {source!r}, {label!r}"
            )
        kept = _content(source) == _content(text)
        if after is None:
            rows.append((0, 0, 0, 0, 0, kept, 0))
            continue
        reached = names[after.sentiment] == label
        same = [
            getattr(before, key) == getattr(after, key)
            for key in ("topic", "tense", "form")
        ]
        rows.append((1, reached, *same, kept, reached and kept))
    keys = (
        *("grammatical", "sentiment_reached", "topic_kept", "tense_kept"),
        *("form_kept", "content_kept", "exact"),
    )
    return dict(zip(keys, np.mean(rows, axis=0).tolist(), strict=True))
