import importlib.util
import itertools
import math
import shutil
import subprocess

import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated
from nltk.lm.preprocessing import padded_everygram_pipeline

from tests.evaluation.kneser_ney import Reference
from tfvae.evaluation import ngram
from tfvae.evaluation.ngram import NgramModel
from tfvae.text import default_grammar

TEXTS = ["a b", "a c"]
FIXED = [(0.0,) * 3, (0.5,) * 3]


def sentences(num, seed="train"):
    return [sentence.text for sentence in default_grammar().sample(num, seed)]


def test_bigrams_by_hand():
    model = NgramModel.fit(TEXTS, 2, discounts=FIXED)
    # Words are seen after 1, 1, 1 and 2 others: a, b, c and </s>.
    assert model.probability("</s>") == pytest.approx(2 / 5)
    assert model.probability("b", ["a"]) == pytest.approx(0.5 / 2 + 0.5 / 5)
    assert model.probability("</s>", ["a"]) == pytest.approx(0.5 * 2 / 5)
    assert model.probability("a", ["<s>"]) == pytest.approx(1.5 / 2 + 0.25 / 5)
    assert model.probability("bird", ["a"]) == 0.0
    assert model.probability("<s>", ["a"]) == 0.0


def test_single_words_share_with_the_uniform_distribution():
    model = NgramModel.fit(TEXTS, 2, discounts=[(0.5,) * 3] * 2)
    # 0.5 of each of four counts goes to a, b, c, </s> and <unk>.
    assert model.probability("bird") == pytest.approx(0.4 / 5)
    assert model.probability("b") == pytest.approx(0.5 / 5 + 0.4 / 5)


def test_words_of_the_vocabulary_that_the_text_lacks():
    model = NgramModel.fit(
        TEXTS, 1, vocabulary=["a", "b", "dog", "cat"], discounts=[(0.5,) * 3]
    )
    # Counts: a 2, b 1, </s> 2 and, for c, <unk> 1; six words may come.
    assert model.probability("dog") == pytest.approx(2.0 / 6 / 6)
    assert model.probability("c") == pytest.approx(0.5 / 6 + 2.0 / 6 / 6)
    assert model.words == ["<unk>", "<s>", "</s>", "a", "b", "dog", "cat"]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_agrees_with_the_definition(order):
    texts = ["a b a b", "a c", "b a c a b", "c", "a b a c", "b b a", ""]
    discounts = [(0.3 + 0.1 * n, 0.7, 1.1) for n in range(order)]
    model = NgramModel.fit(texts, order, discounts=discounts)
    reference = Reference(texts, order, discounts)
    contexts = [
        ["<s>", *c] for n in range(3) for c in itertools.product("abc", repeat=n)
    ]
    contexts += [
        list(c) for n in range(1, 6) for c in itertools.product("ab", repeat=n)
    ]
    for context in contexts[:: 1 + len(contexts) // 40]:
        for word in ("a", "c", "</s>", "<unk>"):
            expected = reference.prob(word, context)
            assert model.probability(word, context) == pytest.approx(expected)


def test_agrees_with_nltk():
    texts = sentences(30)
    model = NgramModel.fit(texts, 2, discounts=[(0.0,) * 3, (0.1,) * 3])
    reference = KneserNeyInterpolated(2, discount=0.1)
    reference.fit(*padded_everygram_pipeline(2, [text.split() for text in texts]))
    for text in sentences(10, "other"):
        words = ["<s>", *text.split(), "</s>"]
        for context, word in itertools.pairwise(words):
            if word not in model.words or context not in model.words:
                continue
            expected = reference.score(word, [context])
            assert model.probability(word, [context]) == pytest.approx(expected)


@pytest.mark.parametrize("unknown", ["word", "skipped"])
def test_probabilities_sum_to_one(unknown):
    texts = [text.replace("the", "<unk>") for text in sentences(60)]
    model = NgramModel.fit(texts, 4, unknown=unknown)
    contexts = [[], ["<s>"], ["never", "seen"], ["<unk>"], ["</s>"]]
    contexts += [["<s>", *text.split()[:n]] for n, text in enumerate(texts[:6])]
    contexts += [text.split()[1 : 1 + n] for n, text in enumerate(texts[6:10])]
    for context in contexts:
        total = sum(model.probability(word, context) for word in model.words)
        assert total == pytest.approx(1.0)


def test_scores_add_up():
    model = NgramModel.fit(sentences(50), 3)
    score = model.score(["the bird", ""])
    words = ["<s>", "the", "bird", "</s>"]
    nats = [
        -math.log(model.probability(w, words[:i])) for i, w in enumerate(words) if i
    ]
    empty = -math.log(model.probability("</s>", ["<s>"]))
    assert score.word_nats == pytest.approx(nats[0] + nats[1])
    assert score.end_nats == pytest.approx(nats[2] + empty)
    assert (score.num_words, score.num_sentences) == (2, 2)
    assert score.num_unknown == sum(w not in model.words for w in ("the", "bird"))
    assert score.perplexity() == pytest.approx(math.exp((sum(nats) + empty) / 4))
    assert score.perplexity(count_end=False) == pytest.approx(
        math.exp((nats[0] + nats[1]) / 2)
    )


def test_scores_do_not_depend_on_chunks(monkeypatch):
    model = NgramModel.fit(sentences(50), 3)
    texts = sentences(20, "other")
    whole = model.score(texts)
    monkeypatch.setattr(ngram, "_CHUNK", 7)
    np.testing.assert_allclose(model.score(iter(texts)), whole)


def test_unknown_words_are_a_word_or_skipped():
    texts = ["a <unk> b", "a <unk> b", "a b"]
    as_word = NgramModel.fit(texts, 2, discounts=FIXED)
    skipped = NgramModel.fit(texts, 2, discounts=FIXED, unknown="skipped")
    assert as_word.probability("<unk>", ["a"]) > 0.5
    assert skipped.probability("b", ["a"]) > 0.8
    assert skipped.probability("<unk>", ["a"]) == 0.0


def test_specials_in_a_text_are_unknown_words():
    model = NgramModel.fit(["a <s> b </s> c"], 2)
    assert model.score(["a </s> b"]).num_unknown == 1
    assert model.words.count("</s>") == 1


def test_orders_above_the_longest_sentence_add_nothing():
    """Of one-word sentences there is no 4-gram, so that the rest is as of order 3."""
    vocabulary = dict.fromkeys("abc", 1)
    scores = [
        NgramModel.fit(["a"] * 3, order=order, vocabulary=vocabulary).score(["a b c"])
        for order in (3, 4, 5)
    ]
    assert scores[0] == scores[1] == scores[2]


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "model.npz"
    model = NgramModel.fit(["zwölf Bären", "zwölf Igel", "Igel"], 3)
    model.save(path)
    loaded = NgramModel.load(path)
    assert loaded.words == model.words
    assert loaded.discounts == model.discounts
    assert loaded.score(["zwölf Igel"]) == model.score(["zwölf Igel"])


def test_knows_text_better_than_other_text():
    texts = sentences(300)
    of_same = NgramModel.fit(texts, 5).score(sentences(50, "other")).perplexity()
    shuffled = [" ".join(sorted(text.split())) for text in texts]
    of_other = NgramModel.fit(shuffled, 5).score(sentences(50, "other")).perplexity()
    assert of_same < 0.5 * of_other


@pytest.mark.parametrize("unknown", ["word", "skipped"])
@pytest.mark.parametrize("texts", [[], [""], ["<unk> <unk>", "<unk>"]])
def test_refuses_to_learn_from_nothing(texts, unknown):
    with pytest.raises(ValueError, match="must hold a word to learn"):
        NgramModel.fit(texts, unknown=unknown)


@pytest.mark.parametrize("texts", [[], [""], ["dog", "<unk> <unk>"]])
def test_refuses_to_score_unknown_words_only(texts):
    with pytest.raises(ValueError, match="words that the n-gram model knows"):
        NgramModel.fit(TEXTS, 2).score(texts)


@pytest.mark.parametrize(
    "options", [{"order": 0}, {"unknown": "error"}, {"order": 3, "discounts": FIXED}]
)
def test_refuses_options(options):
    with pytest.raises(ValueError, match="Received"):
        NgramModel.fit(TEXTS, **options)


def test_refuses_another_file_name():
    with pytest.raises(ValueError, match=".npz"):
        NgramModel.fit(TEXTS, 2).save("model.txt")


COUNTED = ["a b a b", "a c", "b a c a b", "c", "a b a c"]
IDS = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "c": 5}


def arrays_of_counted():
    sentences = [[1, *(IDS[word] for word in text.split()), 2] for text in COUNTED]
    places = [place for words in sentences for place in range(len(words))]
    return np.concatenate(sentences), np.array(places)


def grams_of(tables):
    """Writes out the n-grams behind the rows of each table."""
    words = [(index,) for index in tables[0].keys]
    result = [words]
    for table in tables[1:]:
        contexts, last = np.divmod(table.keys, len(IDS))
        words = [(*words[c], w) for c, w in zip(contexts, last, strict=True)]
        result.append(words)
    return result


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_counts_are_those_of_the_definition(order):
    names = {index: word for word, index in IDS.items()}
    tables = ngram.count_ngrams(*arrays_of_counted(), order, len(IDS))
    reference = Reference(COUNTED, order, None)
    for n, (table, grams) in enumerate(zip(tables, grams_of(tables), strict=True), 1):
        found = {
            tuple(names[int(i)] for i in gram): count
            for gram, count in zip(grams, table.counts.tolist(), strict=True)
        }
        if n == 1:
            assert found.pop(("<unk>",)) == 0
        assert found == reference.grams(n)


def test_suffixes_name_the_last_words():
    tables = ngram.count_ngrams(*arrays_of_counted(), 3, len(IDS))
    grams = grams_of(tables)
    for n in (1, 2):
        for gram, suffix in zip(grams[n], tables[n].suffixes, strict=True):
            assert grams[n - 1][suffix] == gram[1:]


def test_discounts_by_hand():
    # Four n-grams counted once, two twice, one three and one four times.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9, 0])
    assert ngram.derive_discounts(counts) == (0.5, 1.25, 1.0)


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [2, 2, 3, 4],
        [1, 1, 3, 4],
        [1, 2, 4],
        # The first discount would be 1 - 2 * 1 / 9 * 4 / 1 > 0, the second
        # 2 - 3 * 1 / 9 * 8 / 4 > 0, the third 3 - 4 * 1 / 9 * 80 / 8 < 0.
        [1] + [2] * 4 + [3] * 8 + [4] * 80,
    ],
)
def test_discounts_that_cannot_be_derived(counts):
    found = ngram.derive_discounts(np.array(counts, int))
    assert found == ngram.FALLBACK


def test_a_discount_takes_no_more_than_there_is():
    tables = ngram.count_ngrams(*arrays_of_counted(), 2, len(IDS))
    estimated = ngram.estimate_tables(tables, [(0.5, 1.0, 9.0)] * 2, len(IDS))
    assert all((table.probs >= 0).all() for table in estimated)
    assert estimated[0].probs.sum() == pytest.approx(1.0)


def kenlm_model(texts, folder, order):
    """Learns KenLM's model of texts."""
    import kenlm

    text, arpa = folder / "text", folder / "model.arpa"
    text.write_text("".join(f"{each}\n" for each in texts))
    command = ["lmplz", "-o", str(order), "--discount_fallback", "--skip_symbols"]
    command += ["-T", folder, "-S", "1G", "--text", text, "--arpa", arpa]
    subprocess.run(command, check=True, capture_output=True)
    return kenlm.Model(str(arpa))


def replaced(text, other):
    return " ".join(other if word == "<unk>" else word for word in text.split())


NEEDS = "compares with KenLM: its module `kenlm` and its program `lmplz` on PATH"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("kenlm") is None, reason=NEEDS)
@pytest.mark.skipif(shutil.which("lmplz") is None, reason=NEEDS)
@pytest.mark.parametrize("unknown", ["word", "skipped"])
def test_agrees_with_kenlm(tmp_path, unknown):
    learned, scored = (
        [text.replace("the", "<unk>") for text in sentences(num, seed)]
        for num, seed in ((2000, 0), (100, 1))
    )
    ours = NgramModel.fit(learned, 4, unknown=unknown).score(scored)
    # To KenLM the name `<unk>` means a word never seen.
    if unknown == "word":
        scored = [replaced(text, "<unknown>") for text in scored]
    other = "<unknown>" if unknown == "word" else ""
    learned = [replaced(text, other) for text in learned]
    theirs = kenlm_model(learned, tmp_path, 4)
    scores = [list(theirs.full_scores(text)) for text in scored]
    nats = [-math.log(10) * score for each in scores for score, *_ in each]
    ends = [-math.log(10) * each[-1][0] for each in scores]
    assert len(nats) == ours.num_words + ours.num_sentences
    # KenLM counts an empty <unk> besides the word, and its last n-gram otherwise.
    assert np.exp(np.mean(nats)) == pytest.approx(ours.perplexity(), rel=2e-3)
    assert np.exp((sum(nats) - sum(ends)) / ours.num_words) == pytest.approx(
        ours.perplexity(count_end=False), rel=2e-3
    )
