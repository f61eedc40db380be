import collections
import itertools
import math
import random

import pytest

from tfvae.text.grammar.pcfg import PCFG

RULES = {
    "S": [(("A", "B", "."), 2), (("so", "A"), 1)],
    "A": [(("x",), 1), (("y", "y"), 3)],
    "B": [(("A", "z"), 0.5), (("w",), 0.5)],
}


def enumerate_strings(rules, symbol):
    """All strings that a symbol derives, with probabilities, by brute force."""
    if symbol not in rules:
        return {(symbol,): 1.0}
    total = sum(weight for _, weight in rules[symbol])
    strings = collections.Counter()
    for items, weight in rules[symbol]:
        parts = [enumerate_strings(rules, item).items() for item in items]
        for combination in itertools.product(*parts):
            words = tuple(word for string, _ in combination for word in string)
            strings[words] += weight / total * math.prod(p for _, p in combination)
    return strings


@pytest.fixture
def strings():
    return enumerate_strings(RULES, "S")


def test_entropy_and_length_equal_the_sums_over_all_strings(strings):
    grammar = PCFG(RULES, "S")
    assert sum(strings.values()) == pytest.approx(1)
    entropy = -sum(p * math.log(p) for p in strings.values())
    assert grammar.entropy() == pytest.approx(entropy, rel=1e-12)
    length = sum(p * len(words) for words, p in strings.items())
    assert grammar.mean_length() == pytest.approx(length, rel=1e-12)
    three_to_one = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert grammar.entropy("A") == pytest.approx(three_to_one)


def test_probability_of_every_string(strings):
    grammar = PCFG(RULES, "S")
    for words, p in strings.items():
        assert grammar.probability(list(words)) == pytest.approx(p, rel=1e-12)
    for words in ([], ["x"], ["x", "w"], ["x", "w", ".", "."], ["q"]):
        assert grammar.probability(words) == 0.0
    assert grammar.probability(["y", "y"], "A") == 0.75


def test_probability_sums_over_the_derivations_of_an_ambiguous_string():
    rules = {"S": [(("A", "A"), 1)], "A": [(("a",), 1), (("a", "a"), 1)]}
    # "a a a" is "a" + "a a" or "a a" + "a", each of probability 1/4.
    assert PCFG(rules, "S").probability(["a"] * 3) == 0.5


def test_samples_follow_the_probabilities(strings):
    grammar = PCFG(RULES, "S")
    generator = random.Random(0)
    num = 20000
    counts = collections.Counter()
    for _ in range(num):
        words, log_prob = grammar.sample(generator)
        counts[tuple(words)] += 1
        assert math.exp(log_prob) == pytest.approx(strings[tuple(words)])
    for words, p in strings.items():
        assert abs(counts[words] / num - p) < 4.5 * (p * (1 - p) / num) ** 0.5


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"S": [(("a", "S"), 1), (("a",), 1)]}, "recursive. Received: S"),
        ({"S": [(("A",), 1)], "A": [(("x", "S"), 1)]}, "recursive"),
        ({"S": [(("Missing",), 1)]}, "alternative for 'Missing'"),
        ({"S": []}, "alternative for 'S'"),
        ({"S": [((), 1)]}, "at least one item"),
        ({"S": [(("a",), 0)]}, "positive weight"),
    ],
)
def test_refuses(rules, message):
    with pytest.raises(ValueError, match=message):
        PCFG(rules, "S")
