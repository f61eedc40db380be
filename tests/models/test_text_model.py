"""What a user does with a model: fit on batches, text in, text out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests.support import (
    VOCABULARY_SIZE,
    assert_same_weights,
    make_decoder,
    make_encoder,
    make_vae,
    reseed,
)
from tfvae.encoders import LabelEncoder
from tfvae.models import LanguageModel
from tfvae.text import Batches, WordTokenizer

WORDS = list("abcdefg")
TEXTS = ["a b", "c", "d e f", "g", "a", "b b c", "e", "f g a b"]


@pytest.fixture
def tokenizer():
    return WordTokenizer(vocabulary=WORDS)


@pytest.fixture
def model(tokenizer):
    model = make_vae(tokenizer=tokenizer)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    return model


@pytest.fixture
def batches(tokenizer):
    return Batches(TEXTS, tokenizer, 4, max_length=8)


def trained(tokenizer, data, *epochs, **options):
    reseed(3)
    model = make_vae(tokenizer=tokenizer)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False, run_eagerly=True)
    for number in epochs:
        model.fit(data, epochs=number, verbose=0, **options)
    return model


@pytest.mark.parametrize(
    "use",
    [
        lambda model, text: model.fit(text, verbose=0),
        lambda model, text: model.fit(
            Batches(TEXTS, model.tokenizer, 4), validation_data=text, verbose=0
        ),
        lambda model, text: model.evaluate(text, verbose=0),
        lambda model, text: model.predict(text, verbose=0),
        lambda model, text: tfvae.evaluate(model, text, num_samples=1),
    ],
    ids=["fit", "validation", "evaluate", "predict", "tfvae.evaluate"],
)
def test_a_text_that_vanishes_is_named(tokenizer, tmp_path, use):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    text = Batches(path, tokenizer, 4, max_length=8)
    len(text)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="text.txt: no such file"):
        use(trained(tokenizer, text), text)


def test_fit_takes_batches_and_nothing_else(eagerly, model, batches, tokenizer):
    valid = Batches(TEXTS[:5], tokenizer, 4, max_length=8)
    logs = model.fit(batches, validation_data=valid, epochs=2, verbose=0).history
    assert int(model.step) == 2 * len(batches) == 4
    assert len(logs["loss"]) == len(logs["val_nelbo"]) == 2
    # All five sentences, though the batches drop what fills none.
    whole = Batches(TEXTS[:5], tokenizer, 5, max_length=8, shuffle=False)
    nelbo = model.predict(valid, verbose=0)["nelbo"]
    assert len(nelbo) == 5
    assert len(model.predict(whole, verbose=0)["nelbo"]) == 5
    logs = model.evaluate(valid, verbose=0, return_dict=True)
    assert logs["nelbo"] == pytest.approx(nelbo.mean(), rel=0.5)


def test_fit_goes_on_where_it_stopped(tokenizer, batches):
    whole = trained(tokenizer, batches, 3)
    assert_same_weights(whole, trained(tokenizer, batches, 1, 2))


# Keras's own, at the end of a dataset of unknown length.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("known", [True, False])
def test_fit_takes_a_dataset_of_ones_own(tokenizer, batches, known):
    rows = list(batches.arrays())
    signature = {"tokens": tf.TensorSpec([None, None], tf.int32)}
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(rows), output_signature=signature
    )
    if known:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(rows)))
    model = trained(tokenizer, dataset, 2)
    assert int(model.step) == 2 * len(rows)
    assert_same_weights(
        model, trained(tokenizer, dataset.repeat(), 2, steps_per_epoch=2)
    )


def test_inputs_that_nothing_reads_are_refused(model):
    tokens = tf.ones([2, 3], tf.int32) * 5
    for key in ("context", "label"):
        with pytest.raises(ValueError, match=f"no component reads.*'{key}', 'tokens'"):
            model.forward({"tokens": tokens, key: tokens})
    with pytest.raises(ValueError, match="must hold 'tokens'.*Received: \\[\\]"):
        model.forward({})


def test_encode_takes_one_text_or_several(model):
    codes = model.encode(["a b", "c", "food"])
    assert codes.shape == (3, 2)
    # One text, not its letters.
    np.testing.assert_array_equal(model.encode("food"), codes[2:])
    assert model.encode([]).shape == (0, 2)
    assert model.encode(["a", "b"], num_samples=5).shape == (5, 2, 2)
    with pytest.raises(ValueError, match="must hold str. Received: 3"):
        model.encode(["a", 3])


def test_sentences_are_text_or_ids(model):
    texts = model.generate(7, seed=3)
    assert len(texts) == 7
    assert all(isinstance(text, str) for text in texts)
    ids = model.generate(7, seed=3, return_ids=True)
    assert ids.shape == (7, 60)
    written = model.tokenizer.detokenize(ids).numpy()
    assert [text.decode() for text in written] == texts
    assert model.generate(3, seed=3) == texts[:3]
    assert model.generate(7, seed=4) != texts


def test_decode_takes_arrays_and_lists_and_answers_nothing_with_nothing(model):
    codes = model.encode(["a b", "c"])
    texts = model.decode(codes)
    assert model.decode(codes.tolist()) == texts
    assert model.decode(codes[0]) == texts[:1]
    assert model.decode([]) == []
    ids = model.decode(codes, return_ids=True, max_length=9)
    assert ids.shape == (2, 9)
    with pytest.raises(ValueError, match="must have 2 columns.*\\(1, 3\\)"):
        model.decode(np.zeros([1, 3]))


def test_reconstruct_and_interpolate_return_lists_of_text(model):
    codes = model.encode(["a b", "c"])
    assert model.reconstruct(["a b", "c"]) == model.decode(codes)
    assert model.reconstruct("c") == model.decode(codes[1])
    path = model.interpolate("a b", "c", num_steps=3)
    assert path == model.decode([codes[0], codes.mean(0), codes[1]])


def test_a_function_is_compiled_once_a_model(model):
    traces = []
    encode = model.posterior_params

    def counted(inputs, **options):
        traces.append(inputs)
        return encode(inputs, **options)

    model.posterior_params = counted
    for text in ("a", "b c", "d e f"):
        model.encode(text)
        model.reconstruct(text)
    assert len(traces) == 1


def test_a_model_without_a_tokenizer_writes_ids_only():
    model = make_vae()
    assert model.generate(2, return_ids=True, max_length=4).shape == (2, 4)
    for call in (lambda: model.generate(2), lambda: model.encode("a")):
        with pytest.raises(ValueError, match="needs a tokenizer"):
            call()


def test_a_language_model_generates(tokenizer):
    model = LanguageModel(make_decoder(conditioning=()), tokenizer=tokenizer)
    assert len(model.generate(3)) == 3
    assert not hasattr(model, "encode")


def test_widths_say_what_components_hand_on():
    model = make_vae(encoder=make_encoder(hidden_dim=6))
    plain = {
        "code_dim": 6,
        "latent_dim": 2,
        "context_dim": None,
        "code_context_dim": None,
        "memory_context_dim": None,
        "num_labels": None,
        "memory_dim": 2,
        "vocabulary_size": VOCABULARY_SIZE,
    }
    assert model.widths == plain
    model = make_vae(
        encoder=make_encoder(hidden_dim=6),
        condition=LabelEncoder(3),
        context_to=("posterior", "prior"),
    )
    of_label = {"context_dim": 3, "code_context_dim": 3, "num_labels": 3}
    assert model.widths == {**plain, **of_label, "code_dim": 9}
