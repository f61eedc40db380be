"""A small English of known entropy, probabilities and attributes."""

import collections
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
    answer_sentiments,
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
        self._replies = _replies_by_verb(rules)

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

    def answer_entropy(self):
        """Computes the entropy of an answer whose question is not known.

        It is above `pair_entropy` by the information that question and answer share.

        Returns:
            Float, in nats.
        """
        shares = {}
        for (question,), p in self.pcfg.rules["Asked"]:
            for (reply,), q in self.pcfg.rules[self._answer_of[question]]:
                shares[reply] = shares.get(reply, 0.0) + p * q
        entropies = self.pcfg.expectation(lambda _, p: -math.log(p))
        # An answer shows which reply it is.
        return math.fsum(p * (entropies[r] - math.log(p)) for r, p in shares.items())

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
        symbol = self._question(context)
        return _log(self.pcfg.probability(text.split(), self._answer_of[symbol]))

    def sample_answers(self, context, num, seed=0):
        """Samples independent answers to a question.

        Args:
            context: Str. The question.
            num: Int. How many.
            seed: Int or str. Defaults to `0`.

        Returns:
            List of `Sentence` records as those of `sample_pairs`.

        Raises:
            ValueError: If `context` is not a question of the grammar.
        """
        symbol = self._answer_of[self._question(context)]
        generator = random.Random(f"answers {seed}")
        answers = (self._sample(generator, symbol)[0] for _ in range(num))
        return [answer._replace(context=context) for answer in answers]

    def answer_agreement(self, contexts, answers):
        """Measures how well answers fit their questions, exactly.

        Args:
            contexts: List of `N` str, the questions.
            answers: List of `N` lists of `S` str, what was answered to each.

        Returns:
            Dict of floats. `allowed_share`, of the answers that the grammar can give to
            their question. `well_formed_share`, of those that it can give to any; and
            `topic_share`, `verb_share` and `tense_share`, of those that are well formed
            and have the topic, verb or tense of their question. `sentiment_kl`,
            `KL(q || p)` in nats, `p` the true probabilities of an answer's sentiment
            given that of its question, `q` the shares among the well-formed answers to
            all questions of a sentiment, and `sentiment_kl_of_question`, `q` the shares
            among those to one question, averaged over questions. Shares of few answers
            differ from `p` by chance: `sentiment_kl_of_question_floor` is the latter's
            expectation if all were drawn from the grammar. The divergences are left
            out where no answer is well formed.

        Raises:
            ValueError: If there is no answer, or a context is not a question of the
                grammar.
        """
        num = sum(map(len, answers))
        if len(contexts) != len(answers) or not num:
            raise ValueError(
                "`answers` must hold a list for each of `contexts`, not all empty. "
                f"Received: {len(contexts)} contexts, {len(answers)} lists, "
                f"{num} answers"
            )
        totals = collections.Counter()
        counts = [[0] * len(SENTIMENTS) for _ in contexts]
        sentiments = []
        for row, (context, texts) in enumerate(zip(contexts, answers, strict=True)):
            asked = _key(self._question(context))
            sentiments.append(SENTIMENTS.index(asked["sentiment"]))
            for text in texts:
                reply = self._reply(text)
                if reply is None:
                    continue
                agrees = [k for k in ("topic", "verb", "tense") if reply[k] == asked[k]]
                totals.update(["well_formed", *agrees])
                totals["allowed"] += len(agrees) == 3
                counts[row][SENTIMENTS.index(reply["sentiment"])] += 1
        names = ("allowed", "well_formed", "topic", "verb", "tense")
        found = {f"{name}_share": totals[name] / num for name in names}
        return found | _sentiment_divergences(sentiments, counts)

    def _question(self, context):
        """Returns the symbol of a question.

        Raises:
            ValueError: If the grammar does not generate it.
        """
        symbol, _ = self._find(context, "Asked")
        if symbol is None:
            raise ValueError(
                "`context` must be a question that the grammar generates. "
                f"Received: {context!r}"
            )
        return symbol

    def _reply(self, text):
        """Returns the attributes of an answer to any question, or `None`."""
        words = text.split()
        # Its verb tells which ones it can be.
        symbols = [symbol for word in words for symbol in self._replies.get(word, ())]
        found = itertools.compress(symbols, self.pcfg.probabilities(words, symbols))
        return next(map(_key, found), None)

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
        _write(folder, f"{split}.txt", (sentence.text for sentence in sentences))
        _write(folder, f"{split}.tsv", _table(sentences, ["text"]))
        pairs = grammar.sample_pairs(num, f"{seed} {split}")
        _write(folder, f"{split}_pairs.tsv", _table(pairs, ["context", "text"]))
    _write(folder, "attributes.json", [json.dumps(ATTRIBUTES, indent=2)])


def _replies_by_verb(rules):
    """Lists the symbols of answers by each form of their verb, a dict of lists."""
    forms = {verb[0]: verb for words in TOPICS.values() for verb in words.verbs}
    found = {}
    for symbol in rules:
        if symbol.startswith("Reply"):
            for form in forms[_key(symbol)["verb"]]:
                found.setdefault(form, []).append(symbol)
    return found


def _key(symbol):
    """Returns the attributes in the name of a question or a reply."""
    values = symbol[symbol.index("[") + 1 : -1].split(",")
    return dict(zip(("topic", "sentiment", "tense", "verb"), values, strict=True))


def _sentiment_divergences(asked, counts):
    """Computes how far counted sentiments are from the true probabilities.

    Args:
        asked: List of `N` ints, the sentiments of the questions.
        counts: List of `N` lists of ints, answers by their sentiment.
    """
    num_kinds = len(SENTIMENTS)
    pooled = [[0] * num_kinds for _ in SENTIMENTS]
    for sentiment, row in zip(asked, counts, strict=True):
        pooled[sentiment] = [a + b for a, b in zip(pooled[sentiment], row, strict=True)]
    answered = [(s, row) for s, row in zip(asked, counts, strict=True) if sum(row)]
    if not answered:
        return {}
    total = sum(map(sum, pooled))
    of_pooled = (sum(row) * _divergence(s, row) for s, row in enumerate(pooled))
    of_questions = math.fsum(_divergence(s, row) for s, row in answered)
    floor = math.fsum(_expected_divergence(sum(row)) for _, row in answered)
    return {
        "sentiment_kl": math.fsum(of_pooled) / total,
        "sentiment_kl_of_question": of_questions / len(answered),
        "sentiment_kl_of_question_floor": floor / len(answered),
    }


def _divergence(asked, row):
    total = sum(row)
    return math.fsum(
        count / total * math.log(count / total / p)
        for count, p in zip(row, answer_sentiments(asked), strict=True)
        if count
    )


@functools.cache
def _expected_divergence(num):
    """Computes the expectation of `_divergence` of `num` draws from the truth."""
    probabilities = answer_sentiments(0)
    total = 0.0
    for first in range(num + 1):
        for second in range(num - first + 1):
            row = [first, second, num - first - second]
            log_prob = math.lgamma(num + 1) + math.fsum(
                n * math.log(p) - math.lgamma(n + 1)
                for n, p in zip(row, probabilities, strict=True)
            )
            total += math.exp(log_prob) * _divergence(0, row)
    return total


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
