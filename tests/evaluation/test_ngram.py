import itertools
import math

import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated
from nltk.lm.preprocessing import padded_everygram_pipeline

from tests.evaluation.kneser_ney import Reference
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
    monkeypatch.setattr("tfvae.evaluation.ngram._CHUNK", 7)
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
