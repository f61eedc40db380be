"""Interpolated Kneser-Ney by dictionaries and recursion, as the papers write it."""

import collections


class Reference:
    """A model of `order` with given discounts over the words of its texts."""

    def __init__(self, texts, order, discounts):
        self.discounts = discounts
        self.raw = collections.Counter()
        for text in texts:
            words = ("<s>", *text.split(), "</s>")
            for n in range(1, order + 1):
                self.raw.update(words[i : i + n] for i in range(len(words) - n + 1))
        self.words = {gram[0] for gram in self.raw if len(gram) == 1} - {"<s>"}
        self.words.add("<unk>")
        self.order = order

    def adjusted(self, gram):
        """Counts an n-gram, or the different words before it."""
        if gram == ("<s>",):
            return 0
        if len(gram) == self.order or gram[0] == "<s>":
            return self.raw[gram]
        longer = [g for g in self.raw if len(g) == len(gram) + 1 and g[1:] == gram]
        return len(longer)

    def grams(self, n):
        """Lists the n-grams of a length, with their adjusted counts."""
        return {g: self.adjusted(g) for g in self.raw if len(g) == n}

    def prob(self, word, context):
        """Returns `p(word | context)`."""
        context = tuple(context)[-(self.order - 1) :] if self.order > 1 else ()
        lower = 1 / len(self.words)
        if context:
            lower = self.prob(word, context[1:])
        counts = {w: self.adjusted((*context, w)) for w in self.words}
        total = sum(counts.values())
        if not total:
            return lower
        triple = (0, *self.discounts[len(context)])
        taken = {w: min(triple[min(c, 3)], c) for w, c in counts.items()}
        backoff = sum(taken.values()) / total
        return (counts[word] - taken[word]) / total + backoff * lower
