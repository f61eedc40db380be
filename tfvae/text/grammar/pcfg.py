"""Probabilistic context-free grammars without recursion, solved exactly."""

import bisect
import itertools
import math


class PCFG:
    """Computes entropy, samples and probabilities of a grammar without recursion.

    Every quantity is about derivations. In an unambiguous grammar, where each string
    has one derivation, the entropy of derivations is the entropy of strings.

    Args:
        rules: Dict from symbol to its alternatives: a list of pairs of a tuple of items
            and a positive weight. A symbol starts with an upper-case letter; every
            other item is a word. Weights are normalised.
        start: The symbol of methods that are called without one.

    Raises:
        ValueError: If a symbol has no alternatives, an alternative is empty, a weight
            is not positive, or the grammar is recursive.

    Example:
    >>> rules = {"S": [(("hello", "N"), 1)], "N": [(("ann",), 3), (("bob",), 1)]}
    >>> grammar = PCFG(rules, "S")
    >>> round(grammar.entropy(), 4), grammar.probability(["hello", "bob"])
    (0.5623, 0.25)
    """

    def __init__(self, rules, start):
        self.start = start
        self.rules = {}
        for symbol, alternatives in rules.items():
            for items, weight in alternatives:
                if not items or weight <= 0:
                    raise ValueError(
                        f"`rules` of {symbol} must be pairs of at least one item and a "
                        f"positive weight. Received: {(items, weight)}"
                    )
            total = sum(weight for _, weight in alternatives)
            self.rules[symbol] = [(items, w / total) for items, w in alternatives]
        self.order = _bottom_up(self.rules)
        self._cumulative = {
            symbol: list(itertools.accumulate(p for _, p in alternatives))
            for symbol, alternatives in self.rules.items()
        }
        self._by_first_word = self._index()

    def expectation(self, cost):
        """Computes the expected total of a cost over the rules of a derivation.

        It solves `total[A] = sum(p * (cost(items, p) + sum(total[B] for B in items)))`
        from the words up; without recursion this is exact.

        Args:
            cost: Callable of an alternative's items and its probability.

        Returns:
            Dict from symbol to float.
        """
        totals = {}
        for symbol in self.order:
            totals[symbol] = math.fsum(
                p
                * (cost(items, p) + math.fsum(totals.get(item, 0.0) for item in items))
                for items, p in self.rules[symbol]
            )
        return totals

    def entropy(self, symbol=None):
        """Computes the entropy of what a symbol derives.

        Args:
            symbol: Symbol. Defaults to `None`, the start symbol.

        Returns:
            Float, in nats.
        """
        return self.expectation(lambda _, p: -math.log(p))[symbol or self.start]

    def mean_length(self, symbol=None):
        """Computes the expected number of words of what a symbol derives.

        Args:
            symbol: Symbol. Defaults to `None`, the start symbol.

        Returns:
            Float, in words.
        """
        lengths = self.expectation(
            lambda items, _: sum(item not in self.rules for item in items)
        )
        return lengths[symbol or self.start]

    def choose(self, generator, symbol):
        """Samples an alternative of a symbol.

        Args:
            generator: A `random.Random`.
            symbol: Symbol.

        Returns:
            A pair: the tuple of items, and its log-probability in nats.
        """
        # Rounding can leave the last sum below 1.
        place = bisect.bisect_right(self._cumulative[symbol], generator.random())
        items, p = self.rules[symbol][min(place, len(self.rules[symbol]) - 1)]
        return items, math.log(p)

    def sample(self, generator, symbol=None):
        """Samples what a symbol derives.

        Args:
            generator: A `random.Random`.
            symbol: Symbol. Defaults to `None`, the start symbol.

        Returns:
            A pair: the list of words, and the derivation's log-probability in nats.
        """
        words = []
        total = 0.0
        waiting = [symbol or self.start]
        while waiting:
            item = waiting.pop()
            if item in self.rules:
                items, log_prob = self.choose(generator, item)
                waiting.extend(reversed(items))
                total += log_prob
            else:
                words.append(item)
        return words, total

    def probability(self, words, symbol=None):
        """Computes the probability that a symbol derives these words.

        Args:
            words: List of str.
            symbol: Symbol. Defaults to `None`, the start symbol.

        Returns:
            Float, `0.0` for words that it does not derive.
        """
        return self.probabilities(words, [symbol or self.start])[0]

    def probabilities(self, words, symbols):
        """Computes, for each symbol, the probability that it derives these words.

        Args:
            words: List of str.
            symbols: List of symbols.

        Returns:
            List of float.
        """
        known = {}
        return [self._ends(s, 0, words, known).get(len(words), 0.0) for s in symbols]

    def _index(self):
        """Groups the alternatives of each symbol by the words they can begin with."""
        index = {}
        for symbol in self.order:
            index[symbol] = by_word = {}
            for items, p in self.rules[symbol]:
                for word in index.get(items[0], [items[0]]):
                    by_word.setdefault(word, []).append((items, p))
        return index

    def _ends(self, symbol, start, words, known):
        """Computes where `symbol` can end that begins at `start`: {place: prob}."""
        if (symbol, start) in known:
            return known[symbol, start]
        ends = {}
        first = words[start] if start < len(words) else None
        for items, p in self._by_first_word[symbol].get(first, ()):
            places = {start: p}
            for item in items:
                reached = {}
                for place, reach in places.items():
                    if item in self.rules:
                        found = self._ends(item, place, words, known)
                    else:
                        found = (
                            {place + 1: 1.0}
                            if words[place : place + 1] == [item]
                            else {}
                        )
                    for end, q in found.items():
                        reached[end] = reached.get(end, 0.0) + reach * q
                places = reached
            for end, q in places.items():
                ends[end] = ends.get(end, 0.0) + q
        known[symbol, start] = ends
        return ends


def _bottom_up(rules):
    """Sorts the symbols, each after the symbols of its own alternatives."""
    order = []
    state = {}

    def visit(symbol):
        if state.get(symbol) == "done":
            return
        if state.get(symbol) == "open":
            raise ValueError(f"`rules` must not be recursive. Received: {symbol} is.")
        if not rules.get(symbol):
            raise ValueError(f"`rules` must have an alternative for {symbol!r}.")
        state[symbol] = "open"
        for items, _ in rules[symbol]:
            for item in items:
                if item[0].isupper():
                    visit(item)
        state[symbol] = "done"
        order.append(symbol)

    for symbol in rules:
        visit(symbol)
    return order
