"""An n-gram language model of text, to score samples and to be learned from them."""

import itertools
import os
import typing

import numpy as np

from tfvae.evaluation.likelihood import perplexity
from tfvae.files import replacing
from tfvae.text.vocabulary import chunks

UNKNOWN, START, END = 0, 1, 2
# For counts of 1, 2 and more, where the text has too few to derive them.
FALLBACK = (0.5, 1.0, 1.5)
_CHUNK = 8192
_SPECIAL = ("<unk>", "<s>", "</s>")
_UNKNOWN_IS = ("word", "skipped")


class NgramScore(typing.NamedTuple):
    """The costs of a text under an n-gram model.

    Attributes:
        word_nats: Float, `-log p` of all words, in nats.
        end_nats: Float, `-log p` of the ends of all sentences, in nats.
        num_words: Int.
        num_sentences: Int.
        num_unknown: Int, words that the model does not know or that are `<unk>`.
    """

    word_nats: float
    end_nats: float
    num_words: int
    num_sentences: int
    num_unknown: int

    def perplexity(self, count_end=True):
        """Computes `exp(nats / tokens)`.

        Args:
            count_end: Whether `</s>` is predicted and counted. Defaults to `True`.

        Returns:
            Float.
        """
        if not count_end:
            return perplexity(self.word_nats, self.num_words)
        return perplexity(
            self.word_nats + self.end_nats, self.num_words + self.num_sentences
        )


class NgramModel:
    """An interpolated n-gram model with modified Kneser-Ney smoothing.

    Each order takes three discounts from its counts, for counts of 1, 2 and more;
    lower orders count the different words before an n-gram. `<s>` is given, `</s>` is
    predicted. The vocabulary holds `<unk>`, whose probability any unknown word has.
    Use `fit` or `load` to create one.

    Attributes:
        words: List of str, the vocabulary; `<unk>`, `<s>` and `</s>` first.
        order: Int, the most words in an n-gram.
        discounts: List of triples of floats, one for each order.

    Example:
    >>> model = NgramModel.fit(["a b", "a c", "b a"], order=2)
    >>> round(sum(model.probability(w, ["a"]) for w in model.words), 6)
    1.0
    >>> model.score(["a b c"]).num_words
    3

    References:
        Chen and Goodman 1999, An Empirical Study of Smoothing Techniques for Language
        Modeling. Heafield et al. 2013, Scalable Modified Kneser-Ney Language Model
        Estimation, whose treatment of `<s>`, of the uniform distribution and of texts
        that are too small for discounts is the one here.
    """

    def __init__(self, words, tables, discounts):
        self.words = list(words)
        self.discounts = [tuple(triple) for triple in discounts]
        self.order = len(tables)
        self._tables = tables
        self._ids = {word: index for index, word in enumerate(self.words)}
        # Written out in a text they are words like any unknown one.
        for word in _SPECIAL:
            self._ids[word] = UNKNOWN

    @classmethod
    def fit(cls, texts, order=5, *, vocabulary=None, unknown="word", discounts=None):
        """Learns a model from sentences.

        Args:
            texts: Iterable of str, words separated by whitespace.
            order: Positive int. Defaults to `5`.
            vocabulary: Iterable of str, the words to know, or `None` for all words of
                the texts. Others become `<unk>`; those that the texts lack get a
                share of the uniform distribution.
            unknown: What becomes of `<unk>` and words outside of the vocabulary here:
                `"word"`, `<unk>` is learned like any word; or `"skipped"`, it is left
                out, as KenLM does when it is told to skip symbols, and has the
                probability of a word never seen. Defaults to `"word"`.
            discounts: A triple of floats for each order, single words first, or
                `None` to derive them.

        Returns:
            An `NgramModel`.

        Raises:
            ValueError: If there is no known word, or an argument is out of range.
        """
        if order < 1 or unknown not in _UNKNOWN_IS:
            raise ValueError(
                f"`order` must be positive and `unknown` one of {_UNKNOWN_IS}. "
                f"Received: order={order}, unknown={unknown!r}"
            )
        if discounts is not None and [len(d) for d in discounts] != [3] * order:
            raise ValueError(
                f"`discounts` must hold three floats for each of {order} orders. "
                f"Received: {discounts}"
            )
        ids = {word: index for index, word in enumerate(_SPECIAL)}
        for word in vocabulary or ():
            ids.setdefault(word, len(ids))
        words, places = _read(texts, ids, vocabulary is None, unknown == "skipped")
        if not (words > END).any():
            raise ValueError(
                "`texts` must hold a word to learn, other than `<unk>`. Received: "
                f"{int((words == END).sum())} sentences without"
            )
        counts = count_ngrams(words, places, order, len(ids))
        if discounts is None:
            discounts = [derive_discounts(each.counts) for each in counts]
        return cls(ids, estimate_tables(counts, discounts, len(ids)), discounts)

    def score(self, texts):
        """Scores sentences.

        Args:
            texts: Iterable of str.

        Returns:
            An `NgramScore`.

        Raises:
            ValueError: If there is no sentence, or no word that the model knows.
        """
        totals = np.zeros(5)
        for chunk in chunks(texts, _CHUNK):
            words, places = _read(chunk, self._ids, grow=False, skip=False)
            probs = look_up(self._tables, words, places, len(self.words))
            with np.errstate(divide="ignore"):
                nats = -np.log(probs)
            # An end is told by its place: a text cannot hold one.
            ends = np.append(places[1:] == 0, True)
            inside = ~ends & (places > 0)
            unknown = inside & (words == UNKNOWN)
            sums = (nats[inside].sum(), nats[ends].sum())
            totals += [*sums, inside.sum(), ends.sum(), unknown.sum()]
        score = NgramScore(*totals[:2].tolist(), *totals[2:].astype(int).tolist())
        if score.num_words == score.num_unknown:
            raise ValueError(
                "`texts` must hold words that the n-gram model knows. Received: "
                f"{score.num_sentences} sentences, {score.num_unknown} unknown words"
            )
        return score

    def probability(self, word, context=()):
        """Returns the probability of a word after others.

        Args:
            word: Str; `"</s>"` for the end.
            context: Sequence of str, the words before it; `"<s>"` may be the first.

        Returns:
            Float; 0 for `"<s>"`.
        """
        ids = [self._ids.get(each, UNKNOWN) for each in context]
        starts = bool(ids) and context[0] == "<s>"
        if starts:
            ids[0] = START
        last = {"</s>": END, "<s>": START}.get(word, self._ids.get(word, UNKNOWN))
        # Place 0 has nothing before it, whatever its word is.
        words = np.array([*ids, last] if ids else [START, last])
        places = np.arange(len(words))
        if not ids:
            places[1] = 0
        probs = look_up(self._tables, words, places, len(self.words))
        return float(probs[-1])

    def save(self, path):
        """Writes the model to one file.

        Args:
            path: Path ending in `.npz`.

        Raises:
            ValueError: If the path has another ending.
        """
        if not os.fspath(path).endswith(".npz"):
            raise ValueError(f"`path` must end in .npz. Received: path={path!r}")
        arrays = {
            f"{name}_{index}": array
            for index, table in enumerate(self._tables)
            for name, array in table._asdict().items()
        }
        words = np.frombuffer("\n".join(self.words).encode("utf-8"), np.uint8)
        discounts = np.array(self.discounts)
        with replacing(path) as beside:
            np.savez(beside, words=words, discounts=discounts, **arrays)

    @classmethod
    def load(cls, path):
        """Reads a model that `save` wrote.

        Args:
            path: Path.

        Returns:
            An `NgramModel`.
        """
        with np.load(path, allow_pickle=False) as arrays:
            words = arrays["words"].tobytes().decode("utf-8").split("\n")
            discounts = arrays["discounts"].tolist()
            tables = [
                Table(*(arrays[f"{name}_{i}"] for name in Table._fields))
                for i in range(len(discounts))
            ]
        return cls(words, tables, discounts)


def _read(texts, ids, grow, skip):
    """Converts sentences into ids from `<s>` to `</s>`, and places in the sentence.

    Args:
        texts: Iterable of str.
        ids: Dict from word to id.
        grow: Whether words that it lacks are added to it.
        skip: Whether unknown words are left out.

    Returns:
        Pair of int32 arrays `[P]`.
    """
    words, lengths = [], []
    for text in texts:
        sentence = text.split()
        if grow:
            found = [ids.setdefault(word, len(ids)) for word in sentence]
        else:
            found = [ids.get(word, UNKNOWN) for word in sentence]
        found = [index if index > END else UNKNOWN for index in found]
        if skip:
            found = [index for index in found if index != UNKNOWN]
        words.append(np.array([START, *found, END], np.int32))
        lengths.append(len(found) + 2)
    if not words:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    return np.concatenate(words), places.astype(np.int32)


class Counts(typing.NamedTuple):
    """The different n-grams of one order, `M` of them.

    An n-gram is named by its row. Its key is the row of its first `n - 1` words in
    the table of the order below times the vocabulary's size, plus its last word; of
    single words the key and the row are the word itself.

    Attributes:
        keys: Int64 `[M]`, ascending.
        suffixes: Int64 `[M]`, the row of the last `n - 1` words in the order below.
        counts: Int64 `[M]`, adjusted as Kneser-Ney takes them.
    """

    keys: np.ndarray
    suffixes: np.ndarray
    counts: np.ndarray


class Table(typing.NamedTuple):
    """Probabilities of the n-grams of one order.

    Attributes:
        keys: Int64 `[M]`, as in `Counts`.
        probs: Float64 `[M]`, of the last word given those before it.
        backoffs: Float64 `[M]`, the share that words never seen after this n-gram
            take of the probabilities of the order below; 1 where nothing was seen
            after it. Of no use, and left empty, in the highest order.
    """

    keys: np.ndarray
    probs: np.ndarray
    backoffs: np.ndarray


def count_ngrams(words, places, order, size):
    """Counts the n-grams of a text up to an order.

    The highest order keeps its counts. Lower ones take the number of different words
    seen before the n-gram, but for those that begin with `<s>`, before which there is
    none. `<s>` itself is never predicted and counts 0.

    Args:
        words: Int array `[P]`, every sentence from `<s>` to `</s>`.
        places: Int array `[P]`, places within the sentence, 0 for `<s>`.
        order: Positive int.
        size: Int, of the vocabulary.

    Returns:
        List of `order` `Counts`, single words first.
    """
    rows = words.astype(np.int64)
    tables = [(np.arange(size), None, np.bincount(rows, minlength=size), None)]
    for length in range(2, order + 1):
        here = np.flatnonzero(places >= length - 1)
        keys, first, inverse, counts = np.unique(
            rows[here - 1] * size + words[here],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        suffixes = rows[here[first]]
        starting = places[here[first]] == length - 1
        tables.append((keys, suffixes, counts, starting))
        rows = np.full(len(rows), -1, np.int64)
        rows[here] = inverse
    result = []
    for index, (keys, suffixes, counts, starting) in enumerate(tables):
        if index + 1 < order:
            before = np.bincount(tables[index + 1][1], minlength=len(keys))
            counts = before if starting is None else np.where(starting, counts, before)
        if index == 0:
            counts[START] = 0
        result.append(Counts(keys, suffixes, counts))
    return result


def derive_discounts(counts):
    """Derives what is taken off counts of 1, 2 and more from how many there are.

    Computes `j - (j + 1) * n[1] / (n[1] + 2 n[2]) * n[j + 1] / n[j]`, `n[j]` the
    number of n-grams counted `j` times.

    Args:
        counts: Int array `[M]`, adjusted counts of one order.

    Returns:
        Tuple of three floats; `FALLBACK` where one of `n[1]`, `n[2]`, `n[3]` is 0 or
        a discount would fall outside of 0 to `j`.

    References:
        Chen and Goodman 1999, equation 26.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1:4].all():
        return FALLBACK
    share = n[1] / (n[1] + 2 * n[2])
    discounts = tuple(j - (j + 1) * share * n[j + 1] / n[j] for j in (1, 2, 3))
    inside = all(0 <= discounts[j - 1] <= j for j in (1, 2, 3))
    return tuple(map(float, discounts)) if inside else FALLBACK


def estimate_tables(tables, discounts, size):
    """Computes interpolated probabilities, the lowest order first.

    `p(w|c) = max(a(cw) - D(a(cw)), 0) / a(c.) + backoff(c) * p(w|c')`, with adjusted
    counts `a`, discounts `D` and `c'` the context without its first word;
    `backoff(c)` is what the discounts took. Single words are interpolated with the
    uniform distribution over the vocabulary without `<s>`.

    Args:
        tables: List of `Counts`.
        discounts: A triple of floats for each order.
        size: Int, of the vocabulary.

    Returns:
        List of `Table`.
    """
    lower = np.full(1, 1.0 / (size - 1))
    result = []
    for index, ((keys, suffixes, counts), triple) in enumerate(
        zip(tables, discounts, strict=True)
    ):
        if index == 0:
            contexts = suffixes = np.zeros(size, np.int64)
        else:
            contexts = keys // size
        taken = np.minimum(np.array([0.0, *triple])[np.minimum(counts, 3)], counts)
        totals = np.bincount(contexts, counts, len(lower))
        seen = totals > 0
        backoffs = np.ones(len(lower))
        np.divide(
            np.bincount(contexts, taken, len(lower)), totals, out=backoffs, where=seen
        )
        probs = (counts - taken) / totals[contexts]
        probs += backoffs[contexts] * lower[suffixes]
        if index == 0:
            probs[START] = 0.0
        else:
            result[-1] = result[-1]._replace(backoffs=backoffs)
        result.append(Table(keys, probs, np.empty(0)))
        lower = probs
    return result


def look_up(tables, words, places, size):
    """Computes the probability of every word given the words before it.

    Args:
        tables: List of `Table`.
        words: Int array `[P]`, every sentence from `<s>`.
        places: Int array `[P]`, places within the sentence, 0 for `<s>`.
        size: Int, of the vocabulary.

    Returns:
        Float64 `[P]`; 0 for `<s>`.
    """
    probs = tables[0].probs[words]
    rows = words.astype(np.int64)
    for lower, table in itertools.pairwise(tables):
        if not len(lower.probs):
            # No sentence was as long, so that nothing longer was seen either.
            break
        # A row of -1 stands for an n-gram never seen.
        contexts = np.concatenate([[-1], rows[:-1]])
        contexts[places == 0] = -1
        known = contexts >= 0
        probs = np.where(known, lower.backoffs[contexts] * probs, probs)
        rows = np.full(len(words), -1, np.int64)
        if len(table.keys):
            keys = contexts * size + words
            found = np.minimum(np.searchsorted(table.keys, keys), len(table.keys) - 1)
            found[~known | (table.keys[found] != keys)] = -1
            probs = np.where(found >= 0, table.probs[found], probs)
            rows = found
    return probs
