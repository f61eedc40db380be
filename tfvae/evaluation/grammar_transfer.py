"""Transfers of sentiment on the default grammar, where the truth is known."""

import functools

import numpy as np

from tfvae.text import ATTRIBUTES, default_grammar
from tfvae.text.grammar.rules import ADVERBS, JUDGING_VERBS, PERSON_ADJECTIVES

_LISTS = {
    "adjective": PERSON_ADJECTIVES,
    "adverb": ADVERBS,
    "base": {k: [v[0] for v in verbs] for k, verbs in JUDGING_VERBS.items()},
    "third": {k: [v[1] for v in verbs] for k, verbs in JUDGING_VERBS.items()},
    "past": {k: [v[2] for v in verbs] for k, verbs in JUDGING_VERBS.items()},
}


@functools.cache
def _places():
    """Returns the list and the rank of each word that tells a sentiment."""
    return {
        word: (name, rank)
        for name, lists in _LISTS.items()
        for words in lists.values()
        for rank, word in enumerate(words)
    }


def with_sentiment(text, sentiment):
    """Writes a sentence of the grammar again with another sentiment.

    Each word that tells the sentiment becomes the one of the same rank in the list of
    the other. That is a bijection between the sentences of two sentiments, and carries
    their distribution given the one to that given the other.

    Args:
        text: Str, a sentence of the default grammar.
        sentiment: Str, one of `ATTRIBUTES["sentiment"]`.

    Returns:
        Str.

    Example:
    >>> with_sentiment("the grumpy chef badly served the soup at home .", "positive")
    'the happy chef happily served the soup at home .'
    """
    words = []
    for word in text.split():
        name, rank = _places().get(word, (None, None))
        words.append(word if name is None else _LISTS[name][sentiment][rank])
    return " ".join(words)


def _content(text):
    """Returns a sentence's words, those that tell the sentiment by their kind alone."""
    return [_places().get(word, (word,))[0] for word in text.split()]


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
