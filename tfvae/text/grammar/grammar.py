"""A small English of known entropy, probabilities and attributes."""

import functools
import itertools
import json
import math
import os
import random
import typing

from tfvae.text.grammar.pcfg import PCFG
from tfvae.text.grammar.rules import (
    FORM_WEIGHTS,
    FORMS,
    SENTIMENT_WEIGHTS,
    SENTIMENTS,
    TENSE_WEIGHTS,
    TENSES,
    TOPIC_WEIGHTS,
    TOPICS,
    make_rules,
)

ATTRIBUTES = {
    "topic": tuple(TOPICS),
    "sentiment": SENTIMENTS,
    "tense": TENSES,
    "form": FORMS,
}

_WEIGHTS = (
    TOPIC_WEIGHTS,
    SENTIMENT_WEIGHTS,
    TENSE_WEIGHTS,
    FORM_WEIGHTS,
)


class Sentence(typing.NamedTuple):
    """Holds a sentence of the grammar with what generated it.

    Attributes:
        text: Str. Lower-case words and punctuation, separated by spaces.
        log_prob: Float, in nats. Of the text; in an answer given its question.
        topic: Int, place in `ATTRIBUTES["topic"]`.
        sentiment: Int, place in `ATTRIBUTES["sentiment"]`.
        tense: Int, place in `ATTRIBUTES["tense"]`.
        form: Int, place in `ATTRIBUTES["form"]`.
        context: Str. In an answer the question, else empty.
    """

    text: str
    log_prob: float
    topic: int
    sentiment: int
    tense: int
    form: int
    context: str = ""

    def names(self):
        """Returns the attributes by name, such as `{"topic": "food", ...}`."""
        return {key: names[getattr(self, key)] for key, names in ATTRIBUTES.items()}


class Grammar:
    """Generates sentences about a topic, with a sentiment, in a tense, in a form.

    The four attributes are drawn independently, and each decides words throughout the
    sentence: the topic decides nouns, verbs, adjectives and places; the sentiment
    decides adverbs, judgments and the adjectives of persons; the tense decides verb
    forms and times; the form decides the order. A model that knows them has less left
    to predict at every word, so a latent code is worth having. Each sentence has
    exactly one derivation, and there is no recursion: entropy and probabilities are
    exact, and the best possible mean negative log-likelihood of any model, `</s>`
    included, is `entropy()`.

    Example:
    >>> grammar = Grammar()
    >>> sentence = grammar.parse("the chef happily served the soup at home .")
    >>> sentence.names()["sentiment"], round(sentence.log_prob, 3)
    ('positive', -14.032)
    """

    def __init__(self):
        rules, self._attributes = make_rules()
        self.pcfg = PCFG(rules, "Sentence")
        self._answer_of = {
            symbol: symbol.replace("Question", "Answer")
            for symbol in rules
            if symbol.startswith("Question")
        }

    def entropy(self):
        """Computes the entropy of a sentence.

        Returns:
            Float, in nats.
        """
        return self.pcfg.entropy()

    def attribute_entropy(self):
        """Computes the entropy of the four attributes.

        A sentence shows all of them, so this is also the mutual information between the
        attributes and the sentence.

        Returns:
            Float, in nats.
        """
        return sum(_entropy(weights) for weights in _WEIGHTS)

    def mean_length(self):
        """Computes the expected number of words of a sentence, punctuation included.

        Returns:
            Float, in words.
        """
        return self.pcfg.mean_length()

    def vocabulary(self):
        """Returns the words that sentences, questions and answers can hold.

        Returns:
            Sorted list of str.
        """
        rules = self.pcfg.rules
        found = {
            item
            for alternatives in rules.values()
            for items, _ in alternatives
            for item in items
            if item not in rules
        }
        return sorted(found)

    def sample(self, num, seed=0):
        """Samples independent sentences.

        Args:
            num: Int. How many.
            seed: Int or str. The first sentences of a seed do not depend on `num`.
                Defaults to `0`.

        Yields:
            `Sentence` records.
        """
        generator = random.Random(f"sentences {seed}")
        for _ in range(num):
            yield self._sample(generator, "Sentence")[0]

    def log_prob(self, text):
        """Computes the log-probability of a sentence.

        Args:
            text: Str, words separated by whitespace.

        Returns:
            Float, in nats; `-inf` for a text that the grammar does not generate.
        """
        return _log(self.pcfg.probability(text.split()))

    def parse(self, text):
        """Computes the attributes and the log-probability of a sentence.

        Args:
            text: Str, words separated by whitespace.

        Returns:
            A `Sentence`, or `None` if the grammar does not generate the text.
        """
        symbol, probability = self._find(text, "Sentence")
        if symbol is None:
            return None
        share = dict(self.pcfg.rules["Sentence"])[symbol,]
        total = math.log(share) + math.log(probability)
        return Sentence(text, total, *self._attributes[symbol])

    def pair_entropy(self):
        """Computes the entropy of an answer given its question, over all questions.

        Returns:
            Float, in nats.
        """
        entropies = self.pcfg.expectation(lambda _, p: -math.log(p))
        return math.fsum(
            p * entropies[self._answer_of[items[0]]]
            for items, p in self.pcfg.rules["Asked"]
        )

    def sample_pairs(self, num, seed=0):
        """Samples questions, distributed as those of `sample`, each with an answer.

        An answer keeps the topic, the verb and the tense of its question, and with
        probability 0.6 its sentiment.

        Args:
            num: Int. How many.
            seed: Int or str. Defaults to `0`.

        Yields:
            `Sentence` records of the answers: `context` is the question, `log_prob` is
            conditional on it, the attributes are the answer's own.
        """
        generator = random.Random(f"pairs {seed}")
        for _ in range(num):
            question, symbol = self._sample(generator, "Asked")
            answer, _ = self._sample(generator, self._answer_of[symbol])
            yield answer._replace(context=question.text)

    def pair_log_prob(self, context, text):
        """Computes the log-probability of an answer given its question.

        Args:
            context: Str. The question.
            text: Str. The answer.

        Returns:
            Float, in nats; `-inf` for a text that does not answer the question.

        Raises:
            ValueError: If `context` is not a question of the grammar.
        """
        symbol, _ = self._find(context, "Asked")
        if symbol is None:
            raise ValueError(
                "`context` must be a question that the grammar generates. "
                f"Received: {context!r}"
            )
        return _log(self.pcfg.probability(text.split(), self._answer_of[symbol]))

    def _sample(self, generator, start):
        (symbol,), first = self.pcfg.choose(generator, start)
        found, rest = self.pcfg.sample(generator, symbol)
        text = " ".join(found)
        return Sentence(text, first + rest, *self._attributes[symbol]), symbol

    def _find(self, text, start):
        symbols = [items[0] for items, _ in self.pcfg.rules[start]]
        probabilities = self.pcfg.probabilities(text.split(), symbols)
        found = itertools.compress(
            zip(symbols, probabilities, strict=True), probabilities
        )
        return next(found, (None, 0.0))


@functools.cache
def default_grammar():
    """Creates the grammar once and returns it at every call.

    Returns:
        A `Grammar`.
    """
    return Grammar()


def write_corpus(folder, num_train=10000, num_valid=1000, num_test=1000, seed=0):
    """Writes sentences and question-answer pairs drawn from the default grammar.

    For each of `train`, `valid` and `test` it writes `train.txt`, one sentence per
    line; `train.tsv`, the same sentences with their attributes as ints and their
    log-probability in nats; `train_pairs.tsv`, as many answers in the same way, each
    with its question in the column `context` and its log-probability given that.
    `attributes.json` names the ints. All sentences are drawn independently, so a few
    short ones occur in more than one file; a split does not depend on the others' size.

    Args:
        folder: Path of the folder; it is created where missing, and files of these
            names are replaced.
        num_train: Int. Sentences, and pairs, to train on. Defaults to `10000`.
        num_valid: Int. Defaults to `1000`.
        num_test: Int. Defaults to `1000`.
        seed: Int. Defaults to `0`.

    Raises:
        ValueError: If a number is not positive.
    """
    sizes = {"train": num_train, "valid": num_valid, "test": num_test}
    if min(sizes.values()) < 1:
        raise ValueError(f"Every split needs at least one sentence. Received: {sizes}")
    os.makedirs(folder, exist_ok=True)
    grammar = default_grammar()
    for split, num in sizes.items():
        sentences = list(grammar.sample(num, f"{seed} {split}"))
        lines = (sentence.text for sentence in sentences)
        _write(folder, f"{split}.txt", lines)
        _write(folder, f"{split}.tsv", _table(sentences, ["text"]))
        pairs = grammar.sample_pairs(num, f"{seed} {split}")
        _write(folder, f"{split}_pairs.tsv", _table(pairs, ["context", "text"]))
    _write(folder, "attributes.json", [json.dumps(ATTRIBUTES, indent=2)])


def _log(probability):
    return math.log(probability) if probability > 0 else -math.inf


def _entropy(weights):
    total = sum(weights)
    return -math.fsum(w / total * math.log(w / total) for w in weights)


def _table(sentences, columns):
    columns = [*columns, *ATTRIBUTES, "log_prob"]
    yield "\t".join(columns)
    for sentence in sentences:
        yield "\t".join(str(getattr(sentence, column)) for column in columns)


def _write(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
