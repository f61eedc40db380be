import numpy as np
import pytest
import tensorflow as tf

from tests.support import (
    BOS_ID,
    EOS_ID,
    VOCABULARY_SIZE,
    gru_step,
    lstm_step,
    make_decoder,
    make_encoder,
    make_vae,
)
from tfvae.encoders import CodeNoise, Encoder, RecurrentEncoder
from tfvae.seeds import as_seed, fold_in


def test_an_encoder_must_implement_call(tokens):
    with pytest.raises(NotImplementedError, match="must implement `call`"):
        Encoder().call(tokens)


CELLS = [("lstm", False), ("lstm", True), ("gru", False)]


def built(**options):
    encoder = make_encoder(**options)
    encoder.build()
    return encoder


def words_of(row):
    return [word for word in row.tolist() if word]


def code_of(encoder, direction, words):
    """Runs a NumPy loop over the words of one sentence, without padding."""
    states = states_of(encoder, direction, words)
    pool = {None: lambda x, _: x[-1], "mean": np.mean, "max": np.max}[encoder.pooling]
    return pool(states, 0)


def states_of(encoder, direction, words):
    """Returns the state after each word, `[len(words), H]`."""
    kernel, recurrent, bias, *rest = (
        weight.numpy() for weight in encoder.recurrences[direction].weights
    )
    state = cell = np.zeros(encoder.hidden_dim)
    states = []
    for x in encoder.embedding.get_weights()[0][words] @ kernel + bias:
        if encoder.cell == "lstm":
            state, cell = lstm_step(x, state, cell, recurrent)
        else:
            state = gru_step(x, state, recurrent, rest[0])
        kept = [state, cell] if encoder.use_cell else [state]
        states.append(np.concatenate(kept))
    return np.stack(states)


@pytest.mark.parametrize(("cell", "use_cell"), CELLS)
@pytest.mark.parametrize("pooling", [None, "mean", "max"])
@pytest.mark.parametrize(
    ("add_bos", "add_eos"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_code_is_that_of_the_true_words(
    tokens, cell, use_cell, add_bos, add_eos, pooling
):
    options = {"add_bos": add_bos, "add_eos": add_eos, "pooling": pooling}
    options["bidirectional"] = True
    encoder = built(cell=cell, use_cell=use_cell, **options)
    codes = encoder(tokens).numpy()
    before = [BOS_ID] if add_bos else []
    after = [EOS_ID] if add_eos else []
    for row, code in zip(tokens, codes, strict=True):
        words = before + words_of(row) + after
        if not words:
            assert (code == 0.0).all()
            continue
        forward = code_of(encoder, 0, words)
        backward = code_of(encoder, 1, words[::-1])
        expected = np.concatenate([forward, backward])
        np.testing.assert_allclose(code, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", [None, "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "use_cell"), CELLS)
def test_padding_does_not_change_the_code(
    tokens, cell, use_cell, bidirectional, pooling
):
    options = {"bidirectional": bidirectional, "pooling": pooling}
    encoder = built(cell=cell, use_cell=use_cell, **options)
    padded = np.pad(tokens, [[0, 0], [0, 4]])
    np.testing.assert_allclose(encoder(padded), encoder(tokens), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 4),
        ({"bidirectional": True}, 8),
        ({"use_cell": True}, 8),
        ({"bidirectional": True, "use_cell": True}, 16),
        ({"cell": "gru", "bidirectional": True}, 8),
    ],
)
def test_code_dim(tokens, options, expected):
    encoder = built(**options)
    assert encoder.code_dim == expected
    assert encoder(tokens).shape == (len(tokens), expected)


def test_dropout_acts_in_training_only(tokens):
    encoder = built(dropout=0.5)
    plain = encoder(tokens).numpy()
    assert (encoder(tokens, seed=as_seed(3)).numpy() == plain).all()
    noisy = encoder(tokens, seed=as_seed(3), training=True).numpy()
    assert (noisy != plain).any()
    again = encoder(tokens, seed=as_seed(3), training=True).numpy()
    assert (noisy == again).all()
    other = encoder(tokens, seed=as_seed(4), training=True).numpy()
    assert (noisy != other).any()


def test_dropout_is_on_the_embeddings(tokens):
    encoder = built(dropout=0.5)
    # Without the recurrence's weights on words, dropping their components does nothing.
    encoder.recurrences[0].kernel.assign(np.zeros((3, 16)))
    plain = encoder(tokens).numpy()
    noisy = encoder(tokens, seed=as_seed(3), training=True).numpy()
    assert (noisy == plain).all()


def test_embeddings_start_standard_normal():
    encoder = RecurrentEncoder(400, 25, 2)
    encoder.build()
    values = encoder.embedding.get_weights()[0]
    assert abs(values.mean()) < 4 / values.size**0.5
    assert abs(values.std() - 1.0) < 4 / (2 * values.size) ** 0.5


def test_initializers_are_used():
    encoder = built(initializer="ones", embedding_initializer="zeros")
    assert (encoder.embedding.get_weights()[0] == 0.0).all()
    assert (encoder.recurrences[0].kernel.numpy() == 1.0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn"}, "`cell` must be one of.*cell='rnn'"),
        ({"cell": "gru", "use_cell": True}, "`use_cell` needs `cell='lstm'`.*'gru'"),
        ({"pooling": "sum"}, "`pooling` must be None, 'mean' or 'max'.*'sum'"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\).*dropout=1.0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder(VOCABULARY_SIZE, 3, 4, **options)


TOKENS = tf.constant([[4, 5, 6], [7, 0, 0]])


def made(**options):
    encoder = CodeNoise(make_encoder(), **options)
    encoder.build()
    return encoder


def test_codes_are_on_the_sphere_and_without_noise_outside_of_training():
    encoder = made(stddev=5.0)
    code = encoder(TOKENS)
    np.testing.assert_allclose(tf.norm(code, axis=-1), 1.0, rtol=1e-6)
    raw = encoder.encoder(TOKENS)
    lengths = np.linalg.norm(raw, axis=-1, keepdims=True)
    np.testing.assert_allclose(code, raw / lengths, rtol=1e-5)
    np.testing.assert_array_equal(made(normalize=False).encoder(TOKENS).shape, [2, 4])
    assert int(encoder.num_passes.numpy()) == 0


@pytest.mark.parametrize("xla", [False, True])
def test_the_noise_fades_by_training_passes(xla):
    encoder = made(stddev=0.5, decay=0.5, every=2)
    rows = tf.repeat(TOKENS[:1], 4000, 0)
    run = tf.function(
        lambda seed: encoder(rows, seed=seed, training=True), jit_compile=xla
    )
    for step, stddev in enumerate((0.5, 0.5, 0.25, 0.25, 0.125)):
        code = run(fold_in(as_seed(3), step)).numpy()
        # 16,000 numbers: four standard errors are 2.3 percent.
        noise = code - encoder(rows[:1]).numpy()
        assert noise.std() == pytest.approx(stddev, rel=0.023)
        assert abs(noise.mean()) < 4 * stddev / np.sqrt(noise.size)
    assert int(encoder.num_passes.numpy()) == 5


def test_the_seed_decides_the_noise():
    first, second, other = (
        made_noise(seed) for seed in (as_seed(1), as_seed(1), as_seed(2))
    )
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert not np.allclose(first, other)


def made_noise(seed):
    encoder = made()
    return encoder(TOKENS, seed=seed, training=True) - encoder(TOKENS)


def test_embeddings_may_be_shared():
    encoder = CodeNoise(make_encoder())
    model = make_vae(encoder=encoder, decoder=make_decoder(), share_embedding=True)
    assert model.decoder.embedding is encoder.encoder.embedding


def test_refuses_numbers_out_of_range():
    for options in ({"stddev": -1.0}, {"decay": 0.0}, {"decay": 1.1}, {"every": 0}):
        with pytest.raises(ValueError, match="`stddev` must not be negative"):
            CodeNoise(make_encoder(), **options)
