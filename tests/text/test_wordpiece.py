import keras
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
    assert 120 < learned.vocabulary_size <= 200
    assert learned.vocabulary[:4] == ["<pad>", "<s>", "</s>", "<unk>"]
    ids = learned.tokenize(texts)
    assert 3 not in ids.flat_values.numpy()
    restored = [text.decode() for text in learned.detokenize(ids).numpy()]
    assert restored == texts
    pieces = set(learned.vocabulary)
    for text in texts[:50]:
        expected = [p for word in text.split() for p in longest_match(word, pieces)]
        assert [learned.vocabulary[i] for i in learned.encode(text)] == expected


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
    # 4 special tokens, 5 letters at the start and 5 inside of a word, and the word.
    with pytest.raises(ValueError, match="max_tokens=6; the smallest found has 15"):
        WordpieceTokenizer(max_tokens=6).adapt(["abcde"])
