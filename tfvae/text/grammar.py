"""A small English whose entropy, probabilities and latent attributes are known."""

import functools
import itertools
import math
import random
import typing

from tfvae.text import grammar_words as words
from tfvae.text.grammar_rules import make_rules
from tfvae.text.pcfg import PCFG

ATTRIBUTES = {
    "topic": tuple(words.TOPICS),
    "sentiment": words.SENTIMENTS,
    "tense": words.TENSES,
    "form": words.FORMS,
}

_WEIGHTS = (
    words.TOPIC_WEIGHTS,
    words.SENTIMENT_WEIGHTS,
    words.TENSE_WEIGHTS,
    words.FORM_WEIGHTS,
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

    The four attributes are drawn independently and choose words throughout the
    sentence: the topic nouns, verbs, adjectives and places, the sentiment adjectives of
    persons, adverbs and judgments, the tense verb forms and times, the form the order.
    A model that knows them has less left to predict at every word, so a latent code is
    worth having. Each sentence has exactly one derivation, and there is no recursion:
    entropy and probabilities are exact, and the best possible mean negative
    log-likelihood of any model, `</s>` included, is `entropy()`.

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
        """Computes the entropy of the four attributes, all of which a sentence shows.

        It is the mutual information between the attributes and the sentence.

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
        """Collects the words that sentences, questions and answers can hold.

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
        """Draws independent sentences.

        Args:
            num: Int. How many.
            seed: Int or str. The first sentences of a seed do not depend on `num`.
                Defaults to `0`.

        Yields:
            `Sentence` records.
        """
        generator = random.Random(f"sentences {seed}")
        for _ in range(num):
            yield self._drawn(generator, "Sentence")[0]

    def log_prob(self, text):
        """Computes the log-probability of a sentence.

        Args:
            text: Str, words separated by whitespace.

        Returns:
            Float, in nats; `-inf` for a text that the grammar does not generate.
        """
        return _log(self.pcfg.probability(text.split()))

    def parse(self, text):
        """Finds the attributes and the log-probability of a sentence.

        Args:
            text: Str, words separated by whitespace.

        Returns:
            A `Sentence`, or `None` if the grammar does not generate the text.
        """
        symbol, probability = self._best(text, "Sentence")
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
        """Draws questions, distributed as those of `sample`, each with an answer.

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
            question, symbol = self._drawn(generator, "Asked")
            answer, _ = self._drawn(generator, self._answer_of[symbol])
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
        symbol, _ = self._best(context, "Asked")
        if symbol is None:
            raise ValueError(
                "`context` must be a question that the grammar generates. "
                f"Received: {context!r}"
            )
        return _log(self.pcfg.probability(text.split(), self._answer_of[symbol]))

    def to_nltk(self):
        """Makes the grammar of the sentences for the `nltk` package.

        Returns:
            An `nltk.PCFG`.
        """
        return self.pcfg.to_nltk()

    def _drawn(self, generator, start):
        (symbol,), first = self.pcfg.choose(generator, start)
        found, rest = self.pcfg.sample(generator, symbol)
        text = " ".join(found)
        return Sentence(text, first + rest, *self._attributes[symbol]), symbol

    def _best(self, text, start):
        symbols = [items[0] for items, _ in self.pcfg.rules[start]]
        probabilities = self.pcfg.probabilities(text.split(), symbols)
        found = itertools.compress(
            zip(symbols, probabilities, strict=True), probabilities
        )
        return next(found, (None, 0.0))


@functools.cache
def default_grammar():
    """Makes the grammar once and returns it at every call.

    Returns:
        A `Grammar`.
    """
    return Grammar()


def _log(probability):
    return math.log(probability) if probability > 0 else -math.inf


def _entropy(weights):
    total = sum(weights)
    return -math.fsum(w / total * math.log(w / total) for w in weights)
