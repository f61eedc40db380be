"""Measures of transfers whose truth is known on the grammar."""

import itertools

import numpy as np
import pytest
import scipy.stats

from tfvae.evaluation.transfer import measure_grammar_transfer, measure_transfers
from tfvae.text import ATTRIBUTES, default_grammar
from tfvae.text.grammar.rules import ADVERBS, JUDGING_VERBS, PERSON_ADJECTIVES

NAMES = ATTRIBUTES["sentiment"]
VERBS = [
    {name: [verb[form] for verb in verbs] for name, verbs in JUDGING_VERBS.items()}
    for form in range(3)
]
# By a word that tells a sentiment, the words of its kind and its place among them.
PLACES = {
    word: (lists, place)
    for lists in (PERSON_ADJECTIVES, ADVERBS, *VERBS)
    for words in lists.values()
    for place, word in enumerate(words)
}


def with_sentiment(text, sentiment):
    """Writes a sentence of the grammar again with another sentiment.

    Each word that tells it becomes the one of the same place in the other list.
    """
    found = [(word, *PLACES.get(word, (None, 0))) for word in text.split()]
    return " ".join(
        word if lists is None else lists[sentiment][place]
        for word, lists, place in found
    )


def sample(num, seed):
    found = list(default_grammar().sample(num, seed))
    return [s.text for s in found], [NAMES[s.sentiment] for s in found]


@pytest.fixture(scope="module")
def pairs():
    """Sentences of a test split with each other sentiment that they could have."""
    texts, labels = sample(300, 3)
    rows = [
        (text, own, other)
        for text, own in zip(texts, labels, strict=True)
        for other in NAMES
        if other != own
    ]
    return tuple(map(list, zip(*rows, strict=True)))


@pytest.fixture(scope="module")
def measure(pairs):
    sources, labels, targets = pairs
    train_texts, train_labels = sample(8000, 4)
    texts, own = sample(300, 3)

    def run(transferred):
        return measure_transfers(
            sources,
            labels,
            transferred,
            targets,
            texts=texts,
            labels=own,
            train_texts=train_texts,
            train_labels=train_labels,
        )

    return run


@pytest.fixture(scope="module")
def oracle(pairs):
    return list(map(with_sentiment, pairs[0], pairs[2]))


def test_the_oracle_is_a_bijection_that_keeps_probabilities():
    grammar = default_grammar()
    for text in sample(200, 5)[0]:
        before = grammar.parse(text)
        share = {"negative": 25, "neutral": 35, "positive": 40}
        for name in NAMES:
            other = with_sentiment(text, name)
            after = grammar.parse(other)
            assert NAMES[after.sentiment] == name
            assert with_sentiment(other, NAMES[before.sentiment]) == text
            # Given the sentiment both are equally probable.
            given = [
                sentence.log_prob - np.log(share[NAMES[sentence.sentiment]])
                for sentence in (before, after)
            ]
            assert given[0] == pytest.approx(given[1], abs=1e-9)


def test_the_parser_measures_exactly(pairs, oracle):
    sources, _, targets = pairs
    best = measure_grammar_transfer(sources, oracle, targets)
    assert set(best.values()) == {1.0}
    copies = measure_grammar_transfer(sources, sources, targets)
    assert copies["sentiment_reached"] == copies["exact"] == 0.0
    assert copies["grammatical"] == copies["content_kept"] == 1.0
    fixed = "yesterday , the happy chef happily served the soup ."
    constant = measure_grammar_transfer(sources, [fixed] * len(sources), targets)
    assert constant["grammatical"] == 1.0 and constant["content_kept"] < 0.01
    share = np.mean([target == "positive" for target in targets])
    assert constant["sentiment_reached"] == pytest.approx(share)
    broken = [f"{text} ?" for text in oracle]
    assert set(measure_grammar_transfer(sources, broken, targets).values()) == {0.0}
    one = with_sentiment(sources[0], targets[0]).replace("the ", "a ", 1)
    found = measure_grammar_transfer(sources[:1], [one], targets[:1])
    assert found["grammatical"] == found["content_kept"] == 0.0
    with pytest.raises(ValueError, match="sentences of the grammar"):
        measure_grammar_transfer(["no such"], ["no such"], ["positive"])


@pytest.mark.long
def test_classifier_and_bleu_agree_with_the_truth(measure, oracle, pairs):
    best = measure(oracle)
    assert best["transfer_classifier_accuracy"] == 1.0
    assert best["transfer_bayes_classifier_accuracy"] == 1.0
    assert best["transfer_accuracy"] == best["transfer_bayes_accuracy"] == 1.0
    assert best["transfer_copy"] == 0.0 and best["num_transferred"] == 600
    copies = measure(pairs[0])
    assert copies["transfer_accuracy"] == copies["transfer_joint"] == 0.0
    assert copies["transfer_self_bleu"] == copies["transfer_copy"] == 1.0
    fixed = "yesterday , the happy chef happily served the soup ."
    constant = measure([fixed] * len(oracle))
    # Two of six directions lead to the fixed sentence's sentiment.
    assert constant["transfer_accuracy"] == pytest.approx(1 / 3)
    assert constant["transfer_self_bleu"] < 0.05
    for key in ("transfer_self_bleu", "transfer_joint"):
        assert constant[key] < best[key] < 1.0
    # Words in another order are no sentences, whatever their label.
    shuffled = [" ".join(sorted(text.split())) for text in oracle]
    worse = measure(shuffled)
    for key in ("transfer_perplexity", "transfer_reverse_perplexity"):
        assert 2 * best[key] < worse[key]


def test_directions_are_averaged_without_weights(measure, oracle, pairs):
    found = measure(oracle)
    directions = found["transfer_directions"]
    wanted = {f"{a} to {b}" for a, b in itertools.permutations(NAMES, 2)}
    assert set(directions) == wanted
    for key in ("transfer_self_bleu", "transfer_perplexity", "transfer_joint"):
        values = [each[key] for each in directions.values()]
        assert found[key] == pytest.approx(np.mean(values))
    each = directions["negative to positive"]
    pair = [each["transfer_accuracy"], each["transfer_self_bleu"]]
    assert each["transfer_joint"] == pytest.approx(scipy.stats.gmean(pair))


def test_what_is_not_defined_is_left_out(measure, pairs):
    found = measure([""] * len(pairs[0]))
    assert found["transfer_self_bleu"] == 0.0
    assert "transfer_perplexity" not in found
