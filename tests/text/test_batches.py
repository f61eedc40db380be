import collections
import gzip
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.text.batches import Batches, reader_errors
from tfvae.text.tokenizer import CharacterTokenizer, WordTokenizer
from tfvae.text.wordpiece import WordpieceTokenizer

WORDS = [f"w{index}" for index in range(500)]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer(vocabulary=WORDS)


def sentences(num, longest=12, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, longest + 1, num)
    return [" ".join(generator.choice(WORDS, length)) for length in lengths]


def ids(text):
    return tuple(4 + int(word[1:]) for word in text.split())


def rows(batch, key="tokens"):
    """The rows of a batch as tuples; checks the padding on the way."""
    found = []
    for row in np.asarray(batch[key]):
        length = int((row != 0).sum())
        assert (row[:length] != 0).all()
        found.append(tuple(row[:length].tolist()))
    return found


def all_rows(batches):
    return [row for batch in batches for row in rows(batch)]


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("num", "window"), [(100, 1000), (100, 16), (96, 40), (5, 8)])
def test_every_sentence_comes_exactly_once(tokenizer, shuffle, sort, num, window):
    texts = sentences(num)
    batches = Batches(
        texts,
        tokenizer,
        8,
        shuffle=shuffle,
        sort=sort,
        window=window,
        drop_remainder=False,
    )
    found = list(batches.arrays())
    assert collections.Counter(all_rows(found)) == collections.Counter(map(ids, texts))
    assert [len(batch["tokens"]) for batch in found[:-1]] == [8] * (len(found) - 1)
    assert len(found) == len(batches) == -(-num // 8)
    assert batches.num_sentences() == num
    tokens = sum(len(text.split()) for text in texts)
    assert batches.counts().num_tokens == tokens


def test_width_is_the_smallest_boundary(tokenizer):
    boundaries = (3, 5, 12)
    batches = Batches(
        sentences(200), tokenizer, 8, max_length=12, boundaries=boundaries
    )
    for batch in batches.arrays():
        longest = max(map(len, rows(batch)))
        width = min(boundary for boundary in boundaries if boundary >= longest)
        assert batch["tokens"].shape == (8, width)
        assert batch["tokens"].dtype == np.int32


def test_file_order_is_kept(tokenizer):
    texts = sentences(50)
    batches = Batches(texts, tokenizer, 7, shuffle=False, window=15)
    assert all_rows(batches.arrays()) == [ids(text) for text in texts]


@pytest.mark.parametrize("shuffle", [False, True])
def test_grouping_by_length_leaves_little_padding(tokenizer, shuffle):
    texts = sentences(2000, longest=20)
    batches = Batches(
        texts, tokenizer, 20, shuffle=shuffle, sort=True, drop_remainder=False
    )
    spread = sum(
        max(map(len, rows(batch))) - min(map(len, rows(batch)))
        for batch in batches.arrays()
    )
    lengths = sorted(len(text.split()) for text in texts)
    slices = [lengths[start : start + 20] for start in range(0, 2000, 20)]
    assert spread == sum(part[-1] - part[0] for part in slices) < 20


def test_shuffling_moves_sentences_and_batches(tokenizer):
    texts = sentences(512)
    batches = Batches(texts, tokenizer, 8)
    first, second = list(batches.arrays(0)), list(batches.arrays(1))
    assert all_rows(first) != all_rows(second)
    widths = [batch["tokens"].shape[1] for batch in first]
    assert widths != sorted(widths)
    assert set(map(frozenset, map(rows, first))) != set(
        map(frozenset, map(rows, second))
    )


def test_the_window_bounds_the_shuffle(tokenizer):
    texts = sentences(64)
    place = {ids(text): index for index, text in enumerate(texts)}
    found = all_rows(Batches(texts, tokenizer, 8, window=16).arrays())
    # Tokenizing reads ahead in blocks larger than this window: one window here.
    assert sorted(place[row] for row in found) == list(range(64))
    large = sentences(9000)
    found = all_rows(Batches(large, tokenizer, 8, window=4096).arrays())
    assert set(found[:4096]) <= set(map(ids, large[:4096]))
    assert found[:4096] != [ids(text) for text in large[:4096]]


def test_an_epoch_is_a_function_of_seed_and_epoch(tokenizer):
    texts = sentences(100)
    first = all_rows(Batches(texts, tokenizer, 8, seed=1).arrays(5))
    assert first == all_rows(
        Batches(lambda: iter(texts), tokenizer, 8, seed=1).arrays(5)
    )
    assert first != all_rows(Batches(texts, tokenizer, 8, seed=2).arrays(5))
    assert first != all_rows(Batches(texts, tokenizer, 8, seed=1).arrays(4))


def test_dropped_sentences_are_a_fresh_random_choice(tokenizer):
    # 8 of 20 sentences are dropped; were it the longest each time, the mean length of
    # the dropped ones would be far above the mean of all.
    texts = [" ".join(WORDS[index : index + 1 + index % 10]) for index in range(20)]
    batches = Batches(texts, tokenizer, 12)
    everything = set(map(ids, texts))
    dropped = [
        everything - set(all_rows(batches.arrays(epoch))) for epoch in range(200)
    ]
    assert all(len(rest) == 8 for rest in dropped)
    counts = collections.Counter(row for rest in dropped for row in rest)
    error = (200 * 0.4 * 0.6) ** 0.5
    assert all(abs(counts[row] - 80) < 4.5 * error for row in everything)


def test_too_long_sentences(tokenizer):
    texts = ["w1 w2", "w1 w2 w3", "w4 w5 w6 w7", "w8"]
    options = {"max_length": 3, "shuffle": False}
    with pytest.raises(
        ValueError, match=r"Sentence 3: .* 4 tokens.*too_long='truncate"
    ):
        len(Batches(texts, tokenizer, 2, **options))
    cut = Batches(texts, tokenizer, 2, too_long="truncate", **options)
    assert all_rows(cut.arrays()) == [(5, 6), (5, 6, 7), (8, 9, 10), (12,)]
    left = Batches(texts, tokenizer, 2, too_long="drop", **options)
    assert all_rows(left.arrays()) == [(5, 6), (5, 6, 7), (12,)]
    assert left.num_sentences() == 3
    with pytest.raises(ValueError, match="no sentence of at most max_length=1"):
        len(Batches(["w1 w2"], tokenizer, 1, too_long="drop", max_length=1))


@pytest.mark.parametrize("shuffle", [False, True])
def test_labels_and_contexts_stay_with_their_sentence(tokenizer, shuffle):
    texts = sentences(101)
    few = Batches(texts, tokenizer, boundaries="few", max_context_length=20)
    assert few.boundaries[:3] == (4, 8, 12) and few.context_boundaries == (16, 20)
    records = [
        {"text": text, "label": str(index), "context": " ".join(text.split()[::-1][:3])}
        for index, text in enumerate(texts)
    ]
    batches = Batches(
        lambda: iter(records),
        tokenizer,
        10,
        shuffle=shuffle,
        window=20,
        boundaries="few",
        drop_remainder=False,
    )
    seen = []
    for batch in batches.arrays():
        assert batch["label"].dtype == batch["context"].dtype == np.int32
        assert batch["context"].shape == (len(batch["label"]), 16)
        for row, context, label in zip(
            rows(batch), rows(batch, "context"), batch["label"], strict=True
        ):
            assert row == ids(texts[label])
            assert context == row[::-1][:3]
            seen.append(int(label))
    assert sorted(seen) == list(range(101))


def test_too_long_contexts_follow_the_same_rule(tokenizer):
    records = [
        {"text": "w1", "context": "w2 w3 w4"},
        {"text": "w5", "context": "w6"},
    ]
    options = {"max_length": 2, "shuffle": False}
    with pytest.raises(ValueError, match="Sentence 1: the context has 3 tokens"):
        Batches(records, tokenizer, 1, **options).counts()
    cut = next(Batches(records, tokenizer, 2, too_long="truncate", **options).arrays())
    assert rows(cut, "context") == [(6, 7), (10,)]
    left = next(Batches(records, tokenizer, 1, too_long="drop", **options).arrays())
    assert rows(left) == [(9,)]


@pytest.mark.parametrize("kind", [str, Path])
def test_reads_a_path_anew_in_every_epoch(tokenizer, tmp_path, kind):
    path = tmp_path / "train.tsv"
    path.write_text("id\tline\n1\tw1 w2\n2\tw3\n")
    batches = Batches(kind(path), tokenizer, 1, column="line", shuffle=False)
    assert all_rows(batches) == [(5, 6), (7,)]
    path.write_text("id\tline\n1\tw4\n2\tw5\n")
    assert all_rows(batches) == [(8,), (9,)]


def test_a_str_is_a_path(tokenizer, tmp_path):
    for arguments in ({}, {"tokenizer": tokenizer}):
        with pytest.raises(FileNotFoundError, match="a cat ran: no such file"):
            Batches("a cat ran", **arguments)
    with pytest.raises(ValueError, match="Received: a folder"):
        Batches(tmp_path, tokenizer)


def test_learns_a_vocabulary_at_construction(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("B b c\nb C d\nc e\n")
    options = {"max_tokens": 6, "min_count": 2, "lowercase": True}
    texts = ["B b c", "b C d", "c e"]
    for source in (path, texts, lambda: iter(texts)):
        batches = Batches(source, **options)
        path.write_text("x\n")
        tokenizer = batches.tokenizer
        assert tokenizer.vocabulary[4:] == ["b", "c"]
        assert tokenizer.get_config().items() >= options.items()
    assert Batches(texts).tokenizer.vocabulary[4:] == ["b", "c", "B", "C", "d", "e"]
    records = [{"text": "a b", "context": "a q", "label": 3}]
    assert Batches(records).tokenizer.vocabulary[4:] == ["a", "b", "q"]


@pytest.mark.parametrize(
    "tokenizer", [WordTokenizer(), CharacterTokenizer(), WordpieceTokenizer()]
)
def test_a_tokenizer_learns_from_what_is_trained_on(tokenizer):
    texts = ["w x", "u u u v v v", "x w", "u u u v v v"]
    batches = Batches(texts, tokenizer, 2, max_length=3, too_long="drop")
    assert set("".join(tokenizer.vocabulary[4:])) - set(" #") == set("wx")
    assert batches.counts().num_dropped == 2
    before = tokenizer.vocabulary
    assert Batches(["other"], tokenizer, 1).tokenizer.vocabulary == before
    with pytest.raises(ValueError, match="min_count=2, lowercase=False. Leave"):
        Batches(texts, WordTokenizer(), min_count=2)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "vocabulary would be empty"),
        ([5], "Received as the first: 5"),
        ([{"text": "a"}, {"text": None}], "Sentence 2: 'text' must be a str"),
    ],
)
def test_refuses_texts_that_teach_no_vocabulary(texts, message):
    with pytest.raises(ValueError, match=message):
        Batches(texts)


def test_columns_of_tables(tokenizer, tmp_path):
    path = tmp_path / "train.CSV.gz"
    path.write_bytes(gzip.compress(b'1,"w1, w2"\n2,"w3\nw4"\n'))
    batches = Batches(path, tokenizer, 1, column=2, header=False, shuffle=False)
    assert all_rows(batches) == [(3, 6), (7, 8)]


def test_counts_the_lines_of_a_file(tokenizer, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('text,id\nw1 x,1\n\n"w2\nw3 w4 w5",2\n,3\n')
    counts = Batches(path, tokenizer, 1, max_length=3, too_long="truncate").counts()
    found = counts.num_lines, counts.num_sentences, counts.num_words, counts.num_tokens
    assert found == (6, 2, 6, 5)
    assert (counts.num_cut, counts.num_unknown, counts.unknown_rate) == (1, 1, 0.2)


def test_a_refused_sentence_is_found_in_its_file(tokenizer, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('text\n\nw1\n"w2\nw3"\nw1 w2 w3\n')
    for shuffle in (False, True):
        with pytest.raises(ValueError, match=r"train\.csv, line 6: the text has 3 tok"):
            len(Batches(path, tokenizer, 2, max_length=2, shuffle=shuffle))
    path.write_text("text\nw1\nw2\n")
    batches = Batches(path, tokenizer, 1, max_length=2)
    batches.counts()
    path.write_text("text\nw1\n\nw1 w2 w3\n")
    with pytest.raises(ValueError, match=r"train\.csv, line 4: the text has 3 tokens"):
        list(batches)
    long = Batches(path, tokenizer, 1, max_length=1, too_long="drop")
    path.write_text("text\nw1 w2\n")
    with pytest.raises(ValueError, match=r"train\.csv: no sentence of at most max_len"):
        long.counts()
    path.write_text("text\nw1\n")
    with pytest.raises(ValueError, match=r"train\.csv: fewer sentences than one batch"):
        len(Batches(path, tokenizer, 2))
    with pytest.raises(
        ValueError, match=r"train\.csv: gave 2 sentences at first and 1"
    ):
        list(batches)


def test_a_pipe_is_refused(tokenizer, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for texts in (path, "-"):
        for given in (tokenizer, None):
            with pytest.raises(ValueError, match=": a pipe can be read only once"):
                Batches(texts, given)


@pytest.mark.parametrize("damage", ["vanishes", "is no text"])
def test_a_dataset_whose_text_is_lost_raises_the_readers_error(
    tokenizer, tmp_path, damage
):
    path = tmp_path / "train.txt"
    path.write_text("w1 w2\nw3\n")
    training = Batches(path, tokenizer, 1)
    other = Batches(["w1"], tokenizer, 1)
    dataset = training.for_evaluation().dataset()
    if damage == "vanishes":
        path.unlink()
        expected, message = FileNotFoundError, r"train\.txt: no such file"
    else:
        path.write_bytes(gzip.compress(b"w1 w2"))
        expected, message = ValueError, r"train\.txt, line 1: not UTF-8 text but gzip"
    with pytest.raises(expected, match=message) as error:
        with reader_errors(other, dataset, training):
            list(dataset)
    assert "\n" not in str(error.value) and error.value.__suppress_context__
    failing = tf.data.Dataset.range(1).map(
        lambda x: tf.debugging.check_numerics(tf.cast(x, tf.float32) / 0.0, "infinite")
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        with reader_errors(other, training):
            list(failing)


def test_a_share_of_the_words_of_training_is_unknown(tokenizer):
    texts = sentences(2000)
    plain = Batches(texts, tokenizer, 8, seed=3, drop_remainder=False)
    batches = Batches(
        texts, tokenizer, 8, seed=3, drop_remainder=False, unknown_share=0.1
    )
    expected = np.concatenate(all_rows(plain.arrays(1)))
    found = np.concatenate(all_rows(batches.arrays(1)))
    replaced = found == 3
    assert (found[~replaced] == expected[~replaced]).all()
    error = (0.1 * 0.9 / len(found)) ** 0.5
    assert abs(replaced.mean() - 0.1) < 4 * error
    again = Batches(
        lambda: iter(texts),
        tokenizer,
        8,
        seed=3,
        drop_remainder=False,
        unknown_share=0.1,
    )
    assert all_rows(again.arrays(1)) == all_rows(batches.arrays(1))
    epochs = [set(all_rows(batches.arrays(epoch))) for epoch in (0, 1)]
    of_each = [{row for row in rows if 3 in row} for rows in epochs]
    assert of_each[0] != of_each[1]


def test_evaluation_keeps_its_words(tokenizer):
    texts = sentences(50)
    batches = Batches(texts, tokenizer, 8, unknown_share=0.5)
    view = batches.for_evaluation(sort=False)
    assert all_rows(view) == list(map(ids, texts))
    assert batches.counts().unknown_share == 0.5 and view.counts().unknown_share == 0
    assert batches.counts().num_unknown == 0
    valid = Batches(["w1 x", "w2 w3 w4"], tokenizer, 2, shuffle=False)
    assert valid.counts().warnings(batches.counts()) == []
    (warning,) = valid.counts().warnings(view.counts())
    assert "never occurs in training" in warning


def test_labels_and_contexts_are_never_replaced(tokenizer):
    records = [{"text": "w1 w2", "label": 7, "context": "w3 w4"}] * 40
    options = {"unknown_share": 0.5, "label_names": [str(i) for i in range(9)]}
    batch = next(iter(Batches(records, tokenizer, 40, **options)))
    assert set(rows(batch)) == {(5, 6), (3, 6), (5, 3), (3, 3)}
    assert set(rows(batch, "context")) == {(7, 8)} and set(batch["label"]) == {7}


def test_labels_are_numbered_in_their_order(tokenizer):
    def labelled(*labels, **options):
        records = [{"text": "w1", "label": label} for label in labels]
        return Batches(records, tokenizer, 2, shuffle=False, **options)

    def numbers(batches):
        return [int(label) for batch in batches for label in batch["label"]]

    texts = labelled("pos", "neg", " neutral", "pos")
    assert texts.label_names == ("neg", "neutral", "pos")
    assert numbers(texts) == [2, 0, 1, 2]
    stars = labelled(10, 9, "2", 9)
    assert stars.label_names == ("2", "9", "10") and numbers(stars) == [2, 1, 0, 1]
    # A test text need not hold them all, and has no others.
    assert numbers(labelled("pos", label_names=texts.label_names)) == [2]
    with pytest.raises(
        ValueError, match="Sentence 2: the label 'sad' is not one of.*neg"
    ):
        numbers(labelled("pos", "sad", label_names=texts.label_names))
    assert Batches(["w1"], tokenizer, 1).label_names is None


def test_labels_of_a_file_are_named_by_line(tokenizer, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tsentiment\nw1\tpos\n\nw2\tneg\nw3\t\n")
    with pytest.raises(ValueError, match="a.tsv, line 5: the label is empty"):
        len(Batches(path, tokenizer, 1, label_column="sentiment"))
    with pytest.raises(ValueError, match="line 1: no column 'sentimen'. .*mean 'sent"):
        Batches(path, tokenizer, 1, label_column="sentimen")
    path.write_text("text\tsentiment\nw1\tpos\n\nw2\tneg\n")
    names = {"label_names": ("neg", "neutral")}
    with pytest.raises(ValueError, match="a.tsv, line 2: the label 'pos' is not one"):
        len(Batches(path, tokenizer, 1, label_column="sentiment", **names))


def test_iterating_yields_the_first_epoch(tokenizer):
    batches = Batches(sentences(40), tokenizer, 8)
    found = list(batches)
    assert len(found) == len(batches) == 5
    for batch, expected in zip(found, batches.arrays(0), strict=True):
        assert isinstance(batch["tokens"], np.ndarray)
        assert np.array_equal(batch["tokens"], expected["tokens"])
    assert all_rows(batches) == all_rows(found)


def test_shuffled_windows_are_sorted_unless_told_otherwise(tokenizer):
    texts = sentences(512)

    def spread(**options):
        batches = Batches(texts, tokenizer, 8, drop_remainder=False, **options)
        lengths = [[len(row) for row in rows(batch)] for batch in batches]
        return sum(max(row) - min(row) for row in lengths)

    assert spread() == spread(sort=True) == spread(shuffle=False, sort=True) < 12
    assert spread(sort=False) > 300 and spread(shuffle=False) > 300


def test_for_evaluation_keeps_every_sentence(tokenizer):
    texts = [*sentences(101), " ".join(WORDS[:40])]
    batches = Batches(texts, tokenizer, 8, max_length=12, too_long="drop", seed=3)
    before = all_rows(batches)
    view = batches.for_evaluation()
    assert (len(batches), len(view), view.num_sentences()) == (12, 13, 101)
    expected = list(map(ids, texts[:-1]))
    assert collections.Counter(all_rows(view)) == collections.Counter(expected)
    lengths = [len(row) for row in all_rows(view)][:96]
    assert lengths == sorted(lengths)
    assert all_rows(view.arrays(0)) == all_rows(view.arrays(1))
    assert all_rows(batches.for_evaluation(sort=False)) == expected
    assert all_rows(batches) == before and batches.shuffle


def test_datasets_are_not_tuned_by_tf_data(tokenizer):
    batches = Batches(sentences(40), tokenizer, 8)
    for dataset in (batches.dataset(), batches.repeated(), batches.repeated().skip(2)):
        assert dataset.options().autotune.enabled is False


def test_dataset_has_spec_and_length(tokenizer):
    batches = Batches(sentences(100), tokenizer, 8)
    dataset = batches.dataset(3)
    spec = tf.TensorSpec([None, None], tf.int32)
    assert dataset.element_spec == {"tokens": spec}
    assert int(dataset.cardinality()) == 12
    expected = [batch["tokens"].tolist() for batch in batches.arrays(3)]
    assert [batch["tokens"].numpy().tolist() for batch in dataset] == expected
    records = [{"text": "w1", "label": i, "context": "w2"} for i in range(2)]
    labelled = Batches(records, tokenizer, 1).dataset()
    label = tf.TensorSpec([None], tf.int32)
    assert labelled.element_spec == {"tokens": spec, "label": label, "context": spec}


def test_repeated_goes_through_the_epochs(tokenizer):
    batches = Batches(sentences(40), tokenizer, 8)
    dataset = batches.repeated(first_epoch=2)
    assert int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY
    found = all_rows(dataset.take(10))
    assert found == all_rows(batches.arrays(2)) + all_rows(batches.arrays(3))


def test_fit_takes_the_datasets(tokenizer):
    class Counter(keras.Model):
        def train_step(self, data):
            return {"size": tf.shape(data["tokens"])[0]}

    model = Counter()
    model.compile()
    batches = Batches(sentences(40), tokenizer, 8)
    quiet = {"verbose": 0, "shuffle": False}
    history = model.fit(batches.dataset(), epochs=2, **quiet)
    assert history.history["size"] == [8, 8]
    history = model.fit(batches.repeated(), epochs=2, steps_per_epoch=5, **quiet)
    assert history.history["size"] == [8, 8]


def test_texts_are_read_afresh_for_each_epoch(tokenizer):
    calls = []

    def texts():
        calls.append(1)
        return iter(sentences(20))

    batches = Batches(texts, tokenizer, 5)
    assert len(batches) == 4 and batches.num_sentences() == 20
    assert batches.for_evaluation().counts() == batches.counts()
    assert len(calls) == 1
    assert all_rows(batches.arrays(0)) and all_rows(batches.arrays(0))
    assert len(calls) == 3


def test_an_iterator_that_cannot_restart_is_noticed(tokenizer):
    texts = iter(sentences(20))
    batches = Batches(lambda: texts, tokenizer, 5)
    with pytest.raises(
        ValueError, match="`texts`: gave 20 sentences at first and 0 now"
    ):
        list(batches.arrays())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["w1", ""], "Sentence 2: the text has no words"),
        ([{"text": "w1", "context": " "}], "Sentence 1: the context has no words"),
        ([{"text": "w1"}, {"text": "w1", "label": 1}], "Received as sentence 2"),
        (["w1", 5], "Received as sentence 2: 5"),
        ([{"text": "w1", "label": 0.5}], "label must be a text or an int.*: 0.5"),
        ([{"text": "w1", "label": True}], "label must be a text or an int.*: True"),
        ([{"text": "w1", "label": " "}], "Sentence 1: the label is empty"),
        ([{"text": "w1", "label": "x"}] * 9, "two labels at least.*Received: 'x'"),
        (
            [{"text": "w1", "label": index} for index in range(1001)],
            "more than 1000 different labels",
        ),
        ([{"text": 1}], "Sentence 1: 'text' must be a str. Received: 1"),
        ([{"text": "w1", "labels": 1}], "Received: 'labels'"),
        ([7], "Received as the first: 7"),
        ([], "no sentence"),
        (["w1"], "fewer sentences than one batch. Received: 1 sentences, batch_size=2"),
    ],
)
def test_refuses_texts_before_any_batch(tokenizer, texts, message):
    with pytest.raises(ValueError, match=message) as error:
        Batches(texts, tokenizer, 2).dataset()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"max_length": 0}, "max_length=0"),
        ({"seed": -1}, "seed=-1"),
        ({"window": 3}, "window=3, batch_size=4"),
        ({"too_long": "cut"}, "error, truncate, drop. Received: 'cut'"),
        ({"boundaries": [5, 100]}, "boundaries=.5, 100., max_length=200"),
        ({"texts": iter(["a"])}, "Received: list_iterator. Wrap it"),
        ({"column": "line"}, "column='line', .*texts of type list"),
        ({"header": False}, "header=False, .*texts of type list"),
        ({"unknown_share": 1.0}, "unknown_share=1.0"),
        ({"unknown_share": -0.1}, "unknown_share=-0.1"),
        ({"unknown_share": 0.1, "shuffle": False}, "shuffle=False"),
        ({"max_tokens": 9}, "max_tokens=9, min_count=1, lowercase=False. Leave"),
        ({"min_count": 2}, "min_count=2"),
        ({"lowercase": True}, "lowercase=True"),
        ({"texts": ["a"], "column": 2}, "column=2, .*texts of type list"),
    ],
)
def test_refuses_arguments(tokenizer, arguments, message):
    arguments = {"texts": ["a"], "batch_size": 4} | arguments
    with pytest.raises(ValueError, match=message):
        Batches(tokenizer=tokenizer, **arguments)
