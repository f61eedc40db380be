import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.text.tokenizer import CharacterTokenizer, Tokenizer, WordTokenizer

TEXTS = ["the cat saw the dog", "the dog ran"]


@pytest.fixture
def tokenizer():
    tokenizer = WordTokenizer()
    tokenizer.adapt(TEXTS)
    return tokenizer


def test_adapt_orders_the_words(tokenizer):
    words = ["<pad>", "<s>", "</s>", "<unk>", "the", "dog", "cat", "ran", "saw"]
    assert tokenizer.vocabulary == words
    assert tokenizer.vocabulary_size == 9
    ids = (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id)
    assert ids == (0, 1, 2, 3)


def test_adapt_reads_datasets_of_any_rank(tokenizer):
    for dataset in (
        tf.data.Dataset.from_tensor_slices(TEXTS),
        tf.data.Dataset.from_tensors([[TEXTS[0]], [TEXTS[1]]]),
    ):
        other = WordTokenizer()
        other.adapt(dataset)
        assert other.vocabulary == tokenizer.vocabulary


def test_adapt_consumes_a_generator_in_one_pass():
    tokenizer = WordTokenizer(max_tokens=6, min_count=2)
    tokenizer.adapt(text for text in ["b c", "b c a", "b d d"])
    assert tokenizer.vocabulary[4:] == ["b", "c"]


def test_special_tokens_in_text_become_unk():
    tokenizer = WordTokenizer()
    tokenizer.adapt(["<unk> said </s> <unk>", "<pad> <s> said"])
    assert tokenizer.vocabulary[4:] == ["said"]
    assert tokenizer.encode("<unk> said </s> <pad> <s>") == [3, 4, 3, 3, 3]
    ids = tokenizer.tokenize(["<unk> said </s> <pad> <s>"])
    assert ids.to_list() == [[3, 4, 3, 3, 3]]


def test_tokenize_returns_int32_ragged(tokenizer):
    ids = tokenizer.tokenize(tf.constant(["the  bird saw", "", " dog\n"]))
    assert ids.dtype == tf.int32
    assert ids.to_list() == [[4, 3, 8], [], [5]]


def test_whitespace_is_that_of_str_split():
    characters = [chr(code) for code in range(1, 0x3100)]
    texts = [f"a{character}b" for character in characters]
    expected = [text.split() for text in texts]
    words = WordTokenizer(vocabulary=["a"]).split(texts).to_list()
    assert [[word.decode() for word in row] for row in words] == expected
    counts = collections.Counter(map(len, expected))
    assert counts[2] == 29


@pytest.mark.parametrize("lowercase", [False, True])
def test_encode_equals_tokenize(lowercase):
    texts = [
        "Ärger\u00a0ÉTÉ\u3000naïve STRASSE ẞ",
        "ΟΔΟΣ ΑΣ' İstanbul\u2003x\u200by",
        "\ufeffword \x1cB\x85C 日本\u2028語 😀",
        "\U00010570 \u2c2f Ꟁ",
        "",
    ]
    tokenizer = WordTokenizer(lowercase=lowercase)
    tokenizer.adapt(texts[:3])
    expected = tokenizer.tokenize(texts).to_list()
    assert [tokenizer.encode(text) for text in texts] == expected
    flat, lengths = tokenizer.encode_batch(texts)
    assert flat.dtype == np.int32
    assert flat.tolist() == [token for row in expected for token in row]
    assert lengths.tolist() == [5, 4, 6, 3, 0]
    assert 3 not in expected[0] + expected[1] + expected[2]


def test_lowercase_joins_cases():
    tokenizer = WordTokenizer(lowercase=True)
    tokenizer.adapt(["Éclair éclair ÉCLAIR"])
    assert tokenizer.vocabulary[4:] == ["éclair"]
    assert tokenizer.encode("ÉCLAIR") == [4]


def test_lowercase_reads_beyond_a_control_character():
    tokenizer = WordTokenizer(lowercase=True)
    tokenizer.adapt(["A\0B C\x01D \x7f end"])
    assert tokenizer.vocabulary[4:] == ["a\ufffdb", "c\x01d", "end", "\x7f"]
    assert 3 not in tokenizer.encode("end C\x01d a\0b")


def test_detokenize_stops_at_the_end_and_skips_control_ids(tokenizer):
    ids = [[1, 4, 6, 2, 5], [5, 0, 7, 0, 0], [2, 4, 4, 4, 4], [4, 3, 99, 5, 8]]
    text = tokenizer.detokenize(tf.constant(ids))
    assert text.numpy().tolist() == [
        b"the cat",
        b"dog ran",
        b"",
        b"the <unk> <unk> dog saw",
    ]


@pytest.mark.parametrize("shape", [[2, 3], [3, 2, 2], [6], [0, 4], [2, 0]])
def test_detokenize_keeps_the_leading_shape(tokenizer, shape):
    ids = tf.fill(shape, 6)
    text = tokenizer.detokenize(ids)
    assert text.shape.as_list() == shape[:-1]
    if 0 not in shape:
        joined = " ".join(["cat"] * shape[-1]).encode()
        assert np.all(text.numpy() == joined)


def test_detokenize_reads_ragged(tokenizer):
    ids = tokenizer.tokenize(["the cat ran", "dog"])
    assert tokenizer.detokenize(ids).numpy().tolist() == [b"the cat ran", b"dog"]
    nested = tf.ragged.constant([[[4, 5], [6]], [], [[7, 2, 7]]])
    expected = [[b"the dog", b"cat"], [], [b"ran"]]
    assert tokenizer.detokenize(nested).to_list() == expected


def test_works_inside_tf_data(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    ids = next(iter(dataset.map(tokenizer.tokenize)))
    assert ids.to_list() == [[4, 6, 8, 4, 5], [4, 5, 7]]


def test_survives_an_export_without_the_class(tokenizer, tmp_path):
    module = tf.Module()
    module.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(text):
        ids = tokenizer.tokenize(text).to_tensor()
        return {"ids": ids, "text": tokenizer.detokenize(ids)}

    module.serve = serve
    tf.saved_model.save(module, tmp_path / "export")
    loaded = tf.saved_model.load(tmp_path / "export")
    result = loaded.serve(tf.constant(["the fox ran", "dog"]))
    assert result["ids"].numpy().tolist() == [[4, 3, 7], [5, 0, 0]]
    assert result["text"].numpy().tolist() == [b"the <unk> ran", b"dog"]


# Keras hands its variables to NumPy in a way that NumPy 2 deprecates.
ignore_array_copy = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)


@keras.saving.register_keras_serializable("tfvae_test")
class _Model(keras.Model):
    def __init__(self, tokenizer, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.dense = keras.layers.Dense(1)
        self.dense.build([None, 2])
        self.built = True

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        tokenizer = keras.saving.serialize_keras_object(self.tokenizer)
        return {"tokenizer": tokenizer}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["tokenizer"]))


@ignore_array_copy
def test_vocabulary_is_an_asset_of_the_saved_model(tmp_path):
    tokenizer = WordTokenizer(max_tokens=8, lowercase=True, name="words")
    tokenizer.adapt(["Zebra zebra ÉTÉ", "x y z"])
    assert "zebra" not in str(tokenizer.get_config())
    _Model(tokenizer).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").tokenizer
    assert loaded.vocabulary[4:] == ["zebra", "x", "y", "z"]
    assert loaded.tokenize(["ZEBRA été z"]).to_list() == [[4, 3, 7]]
    assert loaded.get_config() == tokenizer.get_config()


@ignore_array_copy
def test_an_unadapted_tokenizer_stays_so_when_loaded(tmp_path):
    _Model(WordTokenizer()).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").tokenizer
    with pytest.raises(ValueError, match="no vocabulary yet"):
        loaded.tokenize(["a"])


MOLECULES = ["CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C"]


def test_characters_are_tokens():
    tokenizer = CharacterTokenizer()
    tokenizer.adapt(MOLECULES)
    counts = collections.Counter("".join(MOLECULES))
    expected = sorted(counts, key=lambda letter: (-counts[letter], letter))
    assert tokenizer.vocabulary[4:] == expected
    ids = tokenizer.tokenize(MOLECULES)
    assert ids.dtype == tf.int32
    assert ids.row_lengths().numpy().tolist() == list(map(len, MOLECULES))
    assert tokenizer.encode("CX") == [tokenizer.vocabulary.index("C"), 3]


def test_characters_restore_every_text():
    texts = [
        "two  spaces\tand\u00a0more",
        "語り手 が 言う",
        "naïve e\u0301 😀 \u200b\x02",
        "<unk> ## <s>",
        *MOLECULES,
    ]
    tokenizer = CharacterTokenizer()
    tokenizer.adapt(texts)
    ids = tokenizer.tokenize([f" \n{text}\u3000" for text in texts])
    assert 3 not in ids.flat_values
    restored = [text.decode() for text in tokenizer.detokenize(ids).numpy()]
    assert restored == ["two  spaces and more", *texts[1:]]
    assert [tokenizer.encode(text) for text in texts] == ids.to_list()
    assert tokenizer.encode(" \t ") == []


def test_characters_of_any_bytes():
    tokenizer = CharacterTokenizer(lowercase=True, min_count=2)
    tokenizer.adapt(["Éa éb", "\0\0 b"])
    assert tokenizer.vocabulary[4:] == [" ", "b", "é", "\ufffd"]
    ids = tokenizer.tokenize([b"\xc9\x00\xff", "É B"]).to_list()
    assert ids == [[7, 7, 7], [6, 4, 5]]
    assert tokenizer.detokenize([[6, 3, 2, 6]]).numpy()[0].decode() == "é<unk>"


def test_characters_survive_saving_and_an_export(tmp_path):
    tokenizer = CharacterTokenizer(lowercase=True)
    tokenizer.adapt(["to be", "or not"])
    config = keras.saving.serialize_keras_object(tokenizer)
    copy = keras.saving.deserialize_keras_object(config)
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert isinstance(copy, CharacterTokenizer)
    assert copy.vocabulary == tokenizer.vocabulary and " " in copy.vocabulary
    assert copy.encode("NOT TO") == tokenizer.encode("not to")

    module = tf.Module()
    module.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(text):
        return tokenizer.detokenize(tokenizer.tokenize(text))

    module.serve = serve
    tf.saved_model.save(module, tmp_path / "export")
    loaded = tf.saved_model.load(tmp_path / "export")
    result = loaded.serve(tf.constant(["Not  to be?", ""]))
    assert result.numpy().tolist() == [b"not  to be<unk>", b""]


class _Phrases(Tokenizer):
    """Takes what stands between commas for tokens."""

    def _split(self, text):
        return tf.strings.split(tf.strings.regex_replace(text, " ", "_"), ",")

    def _join(self, words):
        return tf.strings.reduce_join(words, axis=-1, separator=",")


class _Halves(WordTokenizer):
    """Cuts words at hyphens besides."""

    def _split(self, text):
        return super()._split(tf.strings.regex_replace(text, "-", " - "))

    def _join(self, words):
        return tf.strings.regex_replace(super()._join(words), " - ", "-")


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (_Phrases(), ["re-read_it", "re-do", "re-read"]),
        (_Halves(), ["re", "-", "it,re", "read,re", "do", "read", "it"]),
    ],
)
def test_a_subclass_says_how_to_split_and_to_join(tokenizer, words):
    texts = ["re-read it,re-read,re-do", "re-read it"]
    tokenizer.adapt(texts)
    assert sorted(tokenizer.vocabulary[4:]) == sorted(words)
    ids = tokenizer.tokenize(texts)
    assert 3 not in ids.flat_values
    assert [tokenizer.encode(text) for text in texts] == ids.to_list()
    restored = [
        text.decode().replace("_", " ") for text in tokenizer.detokenize(ids).numpy()
    ]
    assert restored == texts


@pytest.mark.parametrize(
    "use",
    [
        lambda tokenizer: tokenizer.tokenize(["a"]),
        lambda tokenizer: tokenizer.detokenize([[1]]),
        lambda tokenizer: tokenizer.encode("a"),
        lambda tokenizer: tokenizer.vocabulary,
        lambda tokenizer: tokenizer.vocabulary_size,
    ],
)
def test_use_before_adapt_says_what_to_do(use):
    with pytest.raises(ValueError, match=r"`WordTokenizer`.*Call `adapt\(texts\)`"):
        use(WordTokenizer())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_tokens": 4}, "max_tokens=4"),
        ({"min_count": 0}, "min_count=0"),
        ({"vocabulary": ["a", "b"], "max_tokens": 5}, "6 words, max_tokens=5"),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        WordTokenizer(**arguments)


@pytest.mark.parametrize("texts", [[], ["", "  "], ["<unk> </s>"]])
def test_refuses_an_empty_vocabulary(texts):
    with pytest.raises(ValueError, match="vocabulary would be empty") as error:
        WordTokenizer().adapt(texts)
    assert "\n" not in str(error.value)


def test_refuses_a_single_text(tokenizer):
    with pytest.raises(ValueError, match="not one str"):
        tokenizer.adapt("a text")
    with pytest.raises(ValueError, match=r"shape \[B\]"):
        tokenizer.tokenize("a text")
