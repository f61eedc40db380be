import collections
import itertools
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.text.grammar.grammar import default_grammar
from tfvae.text.wordpiece import WordpieceTokenizer

PIECES = ["un", "walk", "##walk", "##able", "##ed", "w", "##a", "u", "#"]


def longest_match(word, pieces):
    """Cuts a word greedily from the left, in plain Python."""
    found = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((e for e in ends if prefix + word[start:e] in pieces), None)
        if end is None:
            return ["<unk>"]
        found.append(prefix + word[start:end])
        start = end
    return found


@pytest.fixture(scope="module")
def texts():
    return [sentence.text for sentence in default_grammar().sample(1000)]


@pytest.fixture(scope="module")
def learned(texts):
    tokenizer = WordpieceTokenizer(max_tokens=200)
    tokenizer.adapt(text for text in texts)
    return tokenizer


def test_cuts_words_by_longest_match():
    tokenizer = WordpieceTokenizer(vocabulary=PIECES)
    text = "unwalkable wa walkx walked # uu"
    pieces = [piece for word in text.split() for piece in longest_match(word, PIECES)]
    assert pieces.count("<unk>") == 2
    expected = [tokenizer.vocabulary.index(piece) for piece in pieces]
    assert tokenizer.encode(text) == expected
    ids = tokenizer.tokenize([text, "", "walk\u00a0un"])
    assert ids.dtype == tf.int32
    assert ids.to_list() == [expected, [], [5, 4]]


def test_learned_pieces_restore_every_text(learned, texts):
    assert learned.vocabulary_size == 200
    assert learned.vocabulary[:4] == ["<pad>", "<s>", "</s>", "<unk>"]
    ids = learned.tokenize(texts)
    assert 3 not in ids.flat_values.numpy()
    restored = [text.decode() for text in learned.detokenize(ids).numpy()]
    assert restored == texts
    pieces = set(learned.vocabulary)
    for text in texts[:50]:
        expected = [p for word in text.split() for p in longest_match(word, pieces)]
        assert [learned.vocabulary[i] for i in learned.encode(text)] == expected


def restored(tokenizer, texts):
    found = tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()
    return [text.decode() for text in found]


def test_joins_the_most_frequent_pairs():
    texts = ["low low low lower", "lower newer"]
    # The letters by their count; then the places where they do not occur.
    letters = ["##w", "##o", "l", "##e", "##r", "n"]
    others = ["w", "##l", "o", "e", "r", "##n"]
    # "ow" and "l ow" five times; "er" three times; then twice "low er", "ew" before
    # "ew er" and "n ewer" once each.
    joined = ["##ow", "low", "##er", "lower", "##ew", "##ewer", "newer"]
    for size in (10, 13, 17, 23):
        tokenizer = WordpieceTokenizer(max_tokens=size)
        tokenizer.adapt(texts)
        assert tokenizer.vocabulary[4:] == [*letters, *others, *joined][: size - 4]


@pytest.mark.parametrize("max_tokens", [60, 61, 150, 500])
def test_the_size_is_met_exactly(texts, max_tokens):
    tokenizer = WordpieceTokenizer(max_tokens=max_tokens)
    tokenizer.adapt(texts)
    assert len(set(tokenizer.vocabulary)) == tokenizer.vocabulary_size == max_tokens
    assert restored(tokenizer, texts) == texts


def test_the_default_size_leaves_pieces(texts):
    words = collections.Counter(" ".join(texts).split())
    tokenizer = WordpieceTokenizer()
    tokenizer.adapt(texts)
    letters = {letter for word in words for letter in word}
    size = 4 + 2 * len(letters) + len(words) // 2
    assert tokenizer.vocabulary_size == size
    _, lengths = tokenizer.encode_batch(list(words))
    whole = [word for word, n in zip(words, lengths, strict=True) if n == 1]
    assert 0.05 * len(words) < len(whole) < 0.5 * len(words)
    assert {word for word, _ in words.most_common(5)} <= set(whole)


def test_all_words_are_pieces_where_there_is_room():
    words = ["walk", "walked", "talk", "talked", "a"]
    tokenizer = WordpieceTokenizer(max_tokens=1000)
    tokenizer.adapt(words)
    assert all(len(tokenizer.encode(word)) == 1 for word in words)
    assert tokenizer.vocabulary_size < 50


def awkward_texts():
    """Texts of the kinds that a tokenizer for words between spaces stumbles on."""
    rng = np.random.default_rng(0)
    symbols = [chr(code) for code in range(0x4E00, 0x4E00 + 1500)]
    return {
        "many characters": ["".join(rng.choice(symbols, 8)) for _ in range(600)],
        "long words": [
            "ab" * 40,
            "x" * 101,
            "y" * 1000,
            "語" * 350 + " end",
            "z" * 100,
        ],
        "one word a line": [
            "".join(rng.choice(list("CNO()=1"), 70)) for _ in range(99)
        ],
        "control characters": ["a\x02b \x7f", "c\x1fd", "\x03", "a\x08"],
        "marks": ["## Title", "### x", "##", "a## ##b #c", "##a##", "######"],
        "special tokens": ["<s>x </s>y", "<unk><unk> <pad>1", "a<s>", "<s>."],
        "equally frequent": ["".join(p) for p in itertools.permutations("abcde")],
        "one letter": ["a", "aa", "aaaa aaa"],
        "compound": ["e\u0301 😀👍🏽 \u200bא", "ÉÉ naïve"],
    }


@pytest.mark.parametrize("kind", awkward_texts())
@pytest.mark.parametrize("max_tokens", [None, 3500])
def test_no_word_of_the_texts_is_unknown(kind, max_tokens):
    texts = awkward_texts()[kind]
    tokenizer = WordpieceTokenizer(max_tokens=max_tokens)
    tokenizer.adapt(texts)
    assert set(tokenizer.tokenize(texts).flat_values.numpy()).isdisjoint(range(4))
    assert restored(tokenizer, texts) == [" ".join(text.split()) for text in texts]


def test_zero_characters_are_replaced():
    tokenizer = WordpieceTokenizer(lowercase=True)
    texts = ["a\0b", "\0", "\x01c d"]
    tokenizer.adapt(texts)
    assert restored(tokenizer, texts) == ["a\ufffdb", "\ufffd", "\ufffdc d"]
    for piece in ("a\0", "é" * 129):
        with pytest.raises(ValueError, match="at most 256 bytes and no U.0000"):
            WordpieceTokenizer(vocabulary=["a", piece])


def test_a_text_cannot_spell_control_ids(learned):
    ids = learned.tokenize(["</s>x <s>", "x</s> <pad>. <unk>a"]).flat_values.numpy()
    assert set(ids).isdisjoint({0, 1, 2})


def test_writes_no_marks(learned):
    assert "#" not in learned.vocabulary
    inside = [i for i, p in enumerate(learned.vocabulary) if p.startswith("##")]
    ids = np.random.default_rng(0).choice(inside + [3, 5, 60], [500, 12])
    written = b" ".join(learned.detokenize(ids).numpy()).decode()
    assert "#" not in written
    pieces = WordpieceTokenizer(vocabulary=PIECES)
    assert pieces.detokenize([[8, 6], [3, 8], [0, 8]]).numpy().tolist() == [
        b"edwalk",
        b"<unk>ed",
        b"ed",
    ]


def test_learning_is_bounded_in_time():
    # Text without spaces, whose words are long and all different.
    rng = np.random.default_rng(0)
    texts = ["".join(row) for row in rng.choice(list("ACGT"), [1000, 150])]
    start = time.monotonic()
    tokenizer = WordpieceTokenizer(max_tokens=1000)
    tokenizer.adapt(texts)
    assert tokenizer.vocabulary_size == 1000
    assert time.monotonic() - start < 60


def test_learning_does_not_depend_on_the_order_of_the_texts(learned, texts):
    other = WordpieceTokenizer(max_tokens=200)
    other.adapt(tf.data.Dataset.from_tensor_slices(texts[::-1]).batch(7))
    assert other.vocabulary == learned.vocabulary


def test_special_tokens_in_text_become_one_unk(learned):
    assert learned.encode("<pad> </s> <s> <unk>") == [3, 3, 3, 3]


def test_marks_in_text_survive():
    tokenizer = WordpieceTokenizer()
    text = "# walked a##ed C# #tag"
    tokenizer.adapt([text])
    assert tokenizer.detokenize([tokenizer.encode(text)]).numpy()[0] == text.encode()


def test_the_most_frequent_characters_are_kept():
    tokenizer = WordpieceTokenizer(min_count=2)
    tokenizer.adapt(["abab ab zab", "xa xa"])
    assert not any("z" in piece for piece in tokenizer.vocabulary)
    assert tokenizer.encode("zab") == [3] and 3 not in tokenizer.encode("xaba bx")


def test_lowercase_and_min_count():
    tokenizer = WordpieceTokenizer(lowercase=True, min_count=2)
    tokenizer.adapt(["Éa éA ab ab rare"])
    assert tokenizer.encode("ÉA") == tokenizer.encode("éa") != [3]
    assert tokenizer.encode("rare") == [3]


def test_saved_as_an_asset_and_exported(learned, texts, tmp_path):
    config = learned.get_config()
    assert "singer" not in str(config)
    copy = WordpieceTokenizer.from_config(config)
    with pytest.raises(ValueError, match="no vocabulary yet"):
        copy.encode("a")
    learned.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy.vocabulary == learned.vocabulary
    assert copy.encode(texts[0]) == learned.encode(texts[0])

    module = tf.Module()
    module.tokenizer = learned

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def restore(text):
        return learned.detokenize(learned.tokenize(text))

    module.restore = restore
    tf.saved_model.save(module, tmp_path / "export")
    loaded = tf.saved_model.load(tmp_path / "export")
    assert loaded.restore(tf.constant(texts[:3])).numpy().tolist() == [
        text.encode() for text in texts[:3]
    ]


def test_is_registered(learned):
    config = keras.saving.serialize_keras_object(learned)
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, WordpieceTokenizer)
    assert restored.max_tokens == 200


def test_refuses():
    with pytest.raises(ValueError, match="vocabulary would be empty"):
        WordpieceTokenizer().adapt([" "])
    # 4 special tokens, 1 letter at the start and 4 inside of a word.
    with pytest.raises(ValueError, match="max_tokens=8; 9 are needed"):
        WordpieceTokenizer(max_tokens=8).adapt(["abcde"])
    tokenizer = WordpieceTokenizer(max_tokens=9)
    tokenizer.adapt(["abcde"])
    assert tokenizer.encode("abcde") == [8, 4, 5, 6, 7]
