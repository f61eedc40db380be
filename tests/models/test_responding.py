"""Answers to contexts, as text."""

import numpy as np
import pytest
import scipy.spatial
import tensorflow as tf

from tests.serving.support import spread
from tests.support import make_encoder, make_vae
from tfvae.encoders import ContextEncoder, LabelEncoder, TurnEncoder
from tfvae.evaluation.neighbours import neighbours
from tfvae.models.conditional import has_one_answer, response_ids
from tfvae.models.inference import response_memory
from tfvae.models.writing import interpolate
from tfvae.presets import ModelBuilder, dae, get_preset, vae
from tfvae.samplers import Ancestral, BeamSearch, Greedy
from tfvae.seeds import Stream, as_seed, fold_in
from tfvae.text import Batches, WordTokenizer

TEXTS = [
    {"text": "a b c", "context": ["x y", "z"]},
    {"text": "b c", "context": ["y"]},
] * 4
TURNLESS = [each | {"context": each["context"][0]} for each in TEXTS]


def test_answers():
    data = Batches(TEXTS, batch_size=4, max_turns=2)
    model = make_vae(
        encoder=make_encoder(),
        condition=TurnEncoder(make_encoder(), 5),
    )
    with pytest.raises(ValueError, match="needs a tokenizer"):
        model.respond(["x"])
    builder = ModelBuilder("ivae", data, jit_compile=False)
    model = vae(builder)
    assert model.requires == ("context",)
    found = model.respond([["x y", "z"], ["y"]], num=3, max_length=4, seed=1)
    assert [len(each) for each in found] == [3, 3]
    assert found == model.respond([["x y", "z"], ["y"]], num=3, max_length=4, seed=1)
    assert model.respond("y", max_length=4) == model.respond(["y"], max_length=4)
    with pytest.raises(ValueError, match="does not read a label"):
        model.respond(["x"], labels=[0])
    with pytest.raises(ValueError, match="reads a context"):
        model.respond(None, labels=None)
    with pytest.raises(ValueError, match="reads no context"):
        vae(ModelBuilder("ivae", Batches(["a b"] * 4, batch_size=2))).respond(["a"])


@pytest.mark.parametrize("name", ["ded", "seq2seq", "ved", "vae"])
@pytest.mark.parametrize("sampler", [Greedy(), BeamSearch(2), Ancestral()])
def test_equal_answers_are_written_once(name, sampler):
    data = Batches(TURNLESS, batch_size=4)
    model = get_preset(name)(ModelBuilder("ivae", data, jit_compile=False))
    spread(model)
    # A context has one answer where neither its code nor a word is drawn.
    one = name in ("ded", "seq2seq") and not isinstance(sampler, Ancestral)
    assert has_one_answer(model, sampler) == one
    inputs, seed = {"context": tf.constant([[4, 5], [6, 0]])}, as_seed(3)
    found = response_ids(model, inputs, 3, sampler, 5, seed)
    memory = response_memory(model, inputs, 3, fold_in(seed, Stream.PRIOR))
    rows = tf.reshape(memory, [6, -1])
    wanted = sampler(model.decoder, rows, 5, fold_in(seed, Stream.WORDS))
    np.testing.assert_array_equal(found, wanted)


def test_codes_that_no_term_brings_to_the_prior_do_not_answer():
    data = Batches(TEXTS, batch_size=4, max_turns=2)
    model = dae(ModelBuilder("ivae", data, jit_compile=False))
    with pytest.raises(ValueError, match="no term.*`KL` or `MMD`"):
        model.respond([["y"]])


@pytest.fixture(scope="module")
def dialogue_model():
    """A tiny conditional VAE that reads turns, its weights spread out."""
    data = Batches(TEXTS, batch_size=4, max_turns=2)
    model = vae(ModelBuilder("ivae", data, jit_compile=False))
    spread(model)
    return model


CONTEXTS = [["x y", "z"], "y", ["z", "x"]]
SENTENCES = ["a b c", "b c", "c"]


def test_codes_follow_from_sentence_and_context(dialogue_model):
    model = dialogue_model
    codes = model.encode(SENTENCES, contexts=CONTEXTS)
    for row, (text, context) in enumerate(zip(SENTENCES, CONTEXTS, strict=True)):
        turns = [context] if isinstance(context, str) else context
        tokens, lengths = model.tokenizer.encode_batch(turns)
        words = np.zeros([1, len(turns), lengths.max()], np.int32)
        words[0][np.arange(lengths.max()) < lengths[:, None]] = tokens
        inputs = {
            "tokens": tf.constant([model.tokenizer.encode(text)]),
            "context": tf.constant(words),
        }
        mode = model.posterior.mode(model.posterior_params(inputs))
        np.testing.assert_allclose(codes[row], mode[0], atol=1e-5)
        # The sentence is written back given its own context.
        memory = model.memory(mode[None], model.condition(inputs))[0]
        ids = Greedy()(model.decoder, memory, 4, tf.constant([0, 0]))
        wanted = model.tokenizer.detokenize(ids)[0].numpy().decode()
        options = {"contexts": [context], "max_length": 4}
        assert model.reconstruct([text], **options) == [wanted]
        assert model.decode(codes[row], **options) == [wanted]
    many = model.encode(SENTENCES, contexts=CONTEXTS, num_samples=3)
    assert many.shape == (3, *codes.shape)
    again = model.reconstruct(
        SENTENCES, contexts=CONTEXTS, num_samples=2, max_length=4, batch_size=2
    )
    assert len(again) == 6


def test_interpolation_holds_the_context(dialogue_model):
    model, context = dialogue_model, CONTEXTS[0]
    found = model.interpolate("a b", "c", context=context, num_steps=3, max_length=4)
    first, last = model.encode(["a b", "c"], contexts=[context] * 2)
    codes = np.stack([first, (first + last) / 2, last])
    assert found == model.decode(codes, contexts=[context] * 3, max_length=4)


def test_interpolation_cuts_the_context_of_its_ends_too(dialogue_model):
    options = {"num_steps": 2, "max_length": 4, "max_context_length": 1}
    written = [
        interpolate(dialogue_model, "a b", "c", context=context, **options)
        for context in (["x y", "z y"], ["x", "z"])
    ]
    assert written[0] == written[1]


def test_neighbours_of_sentences_in_their_contexts(dialogue_model):
    model = dialogue_model
    codes = model.encode(SENTENCES, contexts=CONTEXTS)
    query = model.encode("a", contexts="y")[0]
    cosines = [1.0 - scipy.spatial.distance.cosine(query, code) for code in codes]
    options = {"contexts": CONTEXTS, "query_contexts": ["y"]}
    (found,) = neighbours(model, SENTENCES, "a", num=3, **options)
    best = np.argsort(cosines)[::-1]
    assert [text for text, _ in found] == [SENTENCES[place] for place in best]
    np.testing.assert_allclose([c for _, c in found], np.sort(cosines)[::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("method", "arguments", "options", "message"),
    [
        ("encode", (["a"],), {}, "This VAE reads a context. Received: contexts=None"),
        ("encode", (["a"],), {"contexts": ["x", "y"]}, "1 texts, 2 contexts"),
        ("encode", (["a"],), {"contexts": [[]]}, "A context needs words"),
        ("encode", (["a"],), {"contexts": [["x", ""]]}, "A context needs words.*''"),
        ("encode", (["a"],), {"contexts": ["x"], "labels": [0]}, "does not read a lab"),
        ("reconstruct", (["a"],), {}, "This VAE reads a context"),
        ("decode", ([[0.0] * 32],), {}, "This VAE reads a context"),
        ("decode", ([[0.0] * 32],), {"contexts": ["x"] * 2}, "1 codes, 2 contexts"),
        ("interpolate", ("a", "b"), {}, "This VAE reads a context"),
        ("generate", (2,), {}, "writes given a context.*Use `respond`"),
    ],
)
def test_contexts_are_missing(dialogue_model, method, arguments, options, message):
    assert dialogue_model.posterior.latent_dim == 32
    with pytest.raises(ValueError, match=message) as caught:
        getattr(dialogue_model, method)(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_contexts_that_are_not_read():
    model = make_vae(tokenizer=WordTokenizer(vocabulary=list("abcdefg")))
    for call in (
        lambda: model.encode(["a"], contexts=["b"]),
        lambda: model.reconstruct(["a"], contexts=["b"]),
        lambda: model.decode([[0.0, 0.0]], contexts=["b"]),
        lambda: model.interpolate("a", "b", context="c"),
        lambda: neighbours(model, ["a"], "b", contexts=["c"]),
    ):
        with pytest.raises(ValueError, match="does not read a context"):
            call()
    one_text = make_vae(
        tokenizer=model.tokenizer, condition=ContextEncoder(make_encoder())
    )
    with pytest.raises(ValueError, match="contexts of one text.*Received: 2 turns"):
        one_text.encode(["a"], contexts=[["b", "c"]])
    reader = make_vae(tokenizer=model.tokenizer, encoder_reads="context")
    assert reader.encode(["a"], contexts=["b"]).shape == (1, 2)
    # What writes given a code alone needs no context for it.
    assert len(reader.decode([[0.0, 0.0]], contexts=["b"], max_length=2)) == 1
    with pytest.raises(ValueError, match="in place of the sentence.*Use `respond`"):
        reader.reconstruct(["a"], contexts=["b"])


def test_labels():
    model = make_vae(
        tokenizer=WordTokenizer(vocabulary=list("abcdefg")), condition=LabelEncoder(3)
    )
    codes = model.encode(["a b", "c"], labels=[2, 0])
    for row, (tokens, label) in enumerate((([[4, 5]], 2), ([[6]], 0))):
        inputs = {"tokens": tf.constant(tokens), "label": tf.constant([label])}
        mode = model.posterior.mode(model.posterior_params(inputs))
        np.testing.assert_allclose(codes[row], mode[0], atol=1e-6)
    found = model.interpolate("a b", "c", label=1, num_steps=2, max_length=3)
    ends = model.encode(["a b", "c"], labels=[1, 1])
    assert found == model.decode(ends, labels=[1, 1], max_length=3)
    with pytest.raises(ValueError, match="This VAE reads a label"):
        model.encode(["a b"])
