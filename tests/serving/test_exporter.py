import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tests.serving.support import (
    MAX_LENGTH,
    NAMES,
    NUM_SAMPLES,
    SEEDS,
    TEXTS,
    WORDS,
    assert_same,
    call,
    ids_of,
    make_model,
    request_of,
)
from tests.support import make_decoder, reseed
from tfvae.latents import Implicit
from tfvae.models import LanguageModel
from tfvae.models.refinement import SVIRefiner
from tfvae.objectives import MMD, Reconstruction
from tfvae.serving import Signature, export, export_wordpiece, signatures_of
from tfvae.serving.exporter import free_version, into_place
from tfvae.serving.per_example import InferenceEngine
from tfvae.text import WordpieceTokenizer, WordTokenizer


def test_default_is_reconstruction(signatures):
    assert set(signatures) == {*NAMES, "serving_default"}
    inputs = request_of("reconstruct")
    wanted = call(signatures, "reconstruct", inputs)
    assert_same(call(signatures, "serving_default", inputs), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_see_each_other(signatures, name):
    together = call(signatures, name, request_of(name))
    for row in (0, 2, 4):
        alone = call(signatures, name, request_of(name, slice(row, row + 1)))
        assert_same({k: v[row : row + 1] for k, v in together.items()}, alone)


def test_encoding_is_that_of_the_model(model, signatures):
    got = call(signatures, "encode", request_of("encode"))
    for row, (text, seed) in enumerate(zip(TEXTS, SEEDS, strict=True)):
        tokens = {"tokens": ids_of(text)}
        forward = model.forward(tokens, num_samples=1, seed=seed)
        wanted = {name: value[0] for name, value in forward.params.items()}
        wanted |= {"mode": forward.params["loc"][0], "sample": forward.z[0, 0]}
        row_of = {name: value[row] for name, value in got.items()}
        assert row_of.pop("truncated") == (len(text.split()) > MAX_LENGTH)
        assert_same(row_of, wanted)


def test_scores_are_those_of_the_model(model, signatures):
    got = call(signatures, "score", request_of("score"))
    for row, (text, seed) in enumerate(zip(TEXTS, SEEDS, strict=True)):
        tokens = {"tokens": ids_of(text)}
        forward = model.forward(tokens, num_samples=NUM_SAMPLES, seed=seed)
        log_p = forward.log_likelihood[:, 0].numpy().astype(np.float64)
        z, loc = forward.z[:, 0].numpy(), forward.params["loc"][0].numpy()
        log_variance = forward.params["log_variance"][0].numpy()
        # The divergence of a diagonal from the standard normal, and the densities.
        terms = np.exp(log_variance) + loc**2 - 1.0 - log_variance
        kl = 0.5 * terms.sum()
        noise = (z - loc) / np.exp(0.5 * log_variance)
        log_ratio = 0.5 * (noise**2 - z**2 + log_variance).sum(-1)
        weights = np.exp(log_p + log_ratio)
        assert got["reconstruction"][row] == pytest.approx(-log_p.mean(), rel=1e-5)
        assert got["kl"][row] == pytest.approx(kl, rel=1e-5)
        assert got["nelbo"][row] == pytest.approx(kl - log_p.mean(), rel=1e-5)
        assert got["nll"][row] == pytest.approx(-np.log(weights.mean()), rel=1e-5)
        words = min(len(text.split()), MAX_LENGTH)
        assert got["num_tokens"][row] == words + 1
    assert set(got["num_samples"]) == {NUM_SAMPLES}
    assert got["nll"].dtype == np.float32


@pytest.fixture(scope="module")
def refined(tmp_path_factory):
    """A model that refines posteriors, and the signatures of its loaded export."""
    model = make_model(refiner=SVIRefiner(4, 0.3))
    path = tmp_path_factory.mktemp("refined") / "tiny"
    options = {"num_samples": NUM_SAMPLES, "max_length": MAX_LENGTH, "warmup": False}
    loaded = tf.saved_model.load(export(model, path, **options))
    yield model, loaded.signatures


@pytest.mark.long
@pytest.mark.parametrize("name", ["encode", "reconstruct", "interpolate", "score"])
def test_refined_rows_do_not_see_each_other(refined, name):
    _, signatures = refined
    together = call(signatures, name, request_of(name))
    for row in (0, 2, 4):
        alone = call(signatures, name, request_of(name, slice(row, row + 1)))
        assert_same({k: v[row : row + 1] for k, v in together.items()}, alone)
    # The same rows in another order, beside twice as many.
    order = np.array([3, 1, 4, 0, 2, 2, 0, 4, 1, 3])
    mixed = call(signatures, name, request_of(name, order))
    assert_same(mixed, {key: value[order] for key, value in together.items()})


def test_refined_answers_are_those_of_the_model(refined):
    model, signatures = refined
    encoded = call(signatures, "encode", request_of("encode"))
    scores = call(signatures, "score", request_of("score"))
    for row, (text, seed) in enumerate(zip(TEXTS, SEEDS, strict=True)):
        tokens = {"tokens": ids_of(text)}
        forward = model.forward(tokens, num_samples=NUM_SAMPLES, seed=seed)
        for name, value in forward.params.items():
            np.testing.assert_allclose(encoded[name][row], value[0], 1e-4, 1e-5)
        plain = model.posterior(model.encoder(tokens["tokens"]))["loc"]
        assert np.abs(plain - forward.params["loc"]).max() > 0.05
        reconstruction = -np.mean(forward.log_likelihood)
        assert scores["reconstruction"][row] == pytest.approx(reconstruction, rel=1e-4)
    # Of the method on texts too, which reads them in one batch.
    texts = [text for text in TEXTS if text]
    codes = model.encode(texts, max_length=MAX_LENGTH)
    rows = [row for row, text in enumerate(TEXTS) if text]
    np.testing.assert_allclose(encoded["mode"][rows], codes, 1e-4, 1e-5)


def test_greedy_words_are_those_of_the_model(model, signatures):
    inputs = request_of("reconstruct")
    inputs["temperature"] = np.zeros(len(TEXTS), np.float32)
    got = call(signatures, "reconstruct", inputs)
    for row, text in enumerate(TEXTS):
        z = model.posterior.mode(model.posterior_params({"tokens": ids_of(text)}))
        ids = model.decode_ids(z, max_length=MAX_LENGTH + 1)[0].numpy()
        np.testing.assert_array_equal(got["token_ids"][row], ids)
        num = int(np.sum(ids != 0))
        assert got["lengths"][row] == num
        shown = [i for i in ids[:num] if i != 2]
        words = [model.tokenizer.vocabulary[i] for i in shown]
        assert got["text"][row].decode() == " ".join(words)


def test_prior_draws_are_those_of_the_model(model, signatures):
    got = call(signatures, "generate", request_of("generate"))
    for row, seed in enumerate(SEEDS):
        seed = tf.random.experimental.stateless_fold_in(seed, 0, alg="philox")
        np.testing.assert_allclose(got["z"][row], model.sample_prior(1, seed)[0])


def test_interpolation_ends_at_both(signatures):
    inputs = request_of("interpolate")
    z = call(signatures, "interpolate", inputs)["z"]
    points = call(signatures, "encode", request_of("encode"))["mode"]
    # Row 0 is at fraction 0, the last at fraction 1, the third half way.
    np.testing.assert_allclose(z[0], points[0], rtol=1e-5)
    np.testing.assert_allclose(z[4], points[0], rtol=1e-5)
    half = 0.5 * (points[2] + points[2])
    np.testing.assert_allclose(z[2], half, rtol=1e-5)


def test_words_are_drawn_from_the_softmax(model, signatures):
    num = 4000
    z = np.tile(np.float32([[0.5, -1.0]]), [num, 1])
    seed = np.stack([np.arange(num), np.zeros(num)], 1).astype(np.int32)
    temperature = np.full(num, 0.7, np.float32)
    inputs = {"z": z, "seed": seed, "temperature": temperature}
    ids = call(signatures, "decode", inputs)["token_ids"][:, 0]
    logits = model.decoder.logits(np.zeros([1, 1], np.int32), z[None, :1])[0, 0, 0]
    logits = np.array(logits, np.float64) / 0.7
    logits[:2] = -np.inf
    p = np.exp(logits - logits.max())
    p /= p.sum()
    shares = np.bincount(ids, minlength=len(p)) / num
    error = np.sqrt(p * (1 - p) / num)
    assert (np.abs(shares - p) <= 4 * error + 1e-12).all()


def test_bytes_that_are_no_text(signatures):
    texts = [b"\xff\xfe", b"a \xc3\x28 cat", b"\xed\xa0\x80", b"a\0b", b"a cat"]
    inputs = {"text": np.array(texts, object), "seed": SEEDS}
    got = call(signatures, "score", inputs)
    assert got["num_tokens"].tolist() == [2, 4, 2, 2, 3]
    assert np.isfinite(got["nll"]).all()


def test_all_rows_empty(signatures):
    inputs = {"text": np.array([b"", b"  "], object), "seed": SEEDS[:2]}
    got = call(signatures, "score", inputs)
    assert got["num_tokens"].tolist() == [1, 1]


def test_truncation_is_told(signatures):
    texts = np.array([b"a " * 7, b"a " * 8, b"a " * 9], object)
    got = call(signatures, "score", {"text": texts, "seed": SEEDS[:1].repeat(3, 0)})
    assert got["truncated"].tolist() == [False, True, True]
    np.testing.assert_allclose(got["nll"], got["nll"][0], rtol=1e-6)


def test_numbers_of_no_use_stay_in_their_row(signatures):
    inputs = request_of("decode")
    good = call(signatures, "decode", inputs)
    inputs["z"] = inputs["z"].copy()
    inputs["z"][1] = np.nan
    inputs["temperature"] = np.float32([0.0, 1.0, 0.5, np.nan, np.inf])
    got = call(signatures, "decode", inputs)
    np.testing.assert_array_equal(got["token_ids"][[0, 2]], good["token_ids"][[0, 2]])
    # Not a number is greedy, as row 3 was before.
    np.testing.assert_array_equal(got["token_ids"][3], good["token_ids"][3])
    assert not np.isin(got["token_ids"][4][: got["lengths"][4]], [0, 1]).any()


def test_only_what_is_needed_is_saved(model, exported):
    names = [
        name for name, _ in tf.train.list_variables(f"{exported}/variables/variables")
    ]
    variables = [name for name in names if "saved_variables" in name]
    assert len(variables) == len(model.trainable_weights)


def test_card(exported):
    with open(os.path.join(exported, "model_card.json"), encoding="utf-8") as file:
        card = json.load(file)
    assert card["signatures"]["encode"]["outputs"]["sample"] == {
        "dtype": "float32",
        "shape": [None, 2],
    }
    assert card["num_samples"] == NUM_SAMPLES and card["kl_method"] == "closed_form"
    with open(os.path.join(exported, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    assert "| input | `seed` | int32 | [B, 2] |" in readme


@pytest.mark.slow
def test_loads_with_tensorflow_alone(exported):
    code = f"""
import sys
import tensorflow as tf
signatures = tf.saved_model.load({str(exported)!r}).signatures
seed = tf.constant([[0, 1]])
got = signatures["generate"](seed=seed, temperature=tf.constant([0.0]))
assert "tfvae" not in sys.modules
print(got["text"][0].numpy().decode())
"""
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_versions_count_on_and_are_never_changed(tmp_path):
    def write(folder):
        with open(os.path.join(folder, "file"), "w") as file:
            file.write("whole")

    path = tmp_path / "name"
    assert free_version(path) == 1
    assert into_place(path, 4, write) == str(path / "4")
    os.mkdir(path / "7.partial-1")
    assert free_version(path) == 5
    with pytest.raises(ValueError, match="this version exists"):
        free_version(path, 4)
    with pytest.raises(ValueError, match="this version exists"):
        into_place(path, 4, write)
    assert sorted(os.listdir(path)) == ["4", "7.partial-1"]


def test_what_is_broken_off_leaves_nothing(tmp_path):
    def write(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        into_place(tmp_path, 1, write)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "`num_samples` must be positive"),
        ({"max_length": 0}, "`max_length` must be positive"),
        ({"version": 0}, "`version` must be positive"),
    ],
)
def test_refused(model, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "m", **options)


def test_needs_a_tokenizer(tmp_path):
    with pytest.raises(ValueError, match="needs a tokenizer"):
        export(make_model(tokenizer=None), tmp_path / "m")


def test_refuses_a_refined_posterior(tmp_path):
    model = make_model(refiner=SVIRefiner(1), objective=[Reconstruction(), MMD()])
    with pytest.raises(ValueError, match=r"refiner=None.*Received: .*\['mmd'\]"):
        export(model, tmp_path / "m")


def test_language_model_and_one_more_signature(tmp_path):
    def count(engine, text):
        return {"words": tf.math.count_nonzero(engine.read(text)[0], 1)}

    spec = {"text": tf.TensorSpec([None], tf.string)}
    more = Signature("count", count, spec, "the number of words read")
    reseed(0)
    decoder = make_decoder(conditioning=())
    model = LanguageModel(decoder, tokenizer=WordTokenizer(vocabulary=WORDS))
    place = export(
        model, tmp_path / "lm", max_length=3, signatures=[more], warmup=False
    )
    assert not os.path.exists(os.path.join(place, "assets.extra"))
    signatures = tf.saved_model.load(place).signatures
    assert set(signatures) == {"score", "generate", "count", "serving_default"}
    inputs = {"text": np.array([b"a cat", b"the a a a"], object), "seed": SEEDS[:2]}
    got = call(signatures, "serving_default", inputs)
    assert set(got) == {"nll", "num_tokens", "num_samples", "truncated"}
    wanted = -model({"tokens": np.array([[4, 5, 0], [10, 4, 4]], np.int32)})
    np.testing.assert_allclose(got["nll"], wanted, rtol=1e-5)
    assert call(signatures, "generate", request_of("generate"))["lengths"].max() <= 4
    counted = call(signatures, "count", {"text": inputs["text"]})
    assert counted["words"].tolist() == [2, 3]


def test_implicit_has_no_kl():
    model = make_model(posterior=Implicit(2), objective=[Reconstruction()])
    score = {each.name: each for each in signatures_of(model)}["score"]
    outputs = score.trace(InferenceEngine(model, 5, 3)).structured_outputs
    assert set(outputs) == {"reconstruction", "num_tokens", "num_samples", "truncated"}


def warmup_requests(folder):
    """Reads the warm-up requests of an export."""
    path = os.path.join(folder, "assets.extra", "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        yield PredictionLog.FromString(record).predict_log.request


@pytest.fixture
def wordpiece_model():
    """A model that reads pieces of words."""
    return make_model(
        tokenizer=WordpieceTokenizer(vocabulary=[*"abcd", "##a", "##b", "##c"])
    )


def test_wordpiece_export_warms_up(wordpiece_model, tmp_path):
    place = export_wordpiece(wordpiece_model, tmp_path / "pieces", max_length=9)
    (request,) = warmup_requests(place)
    assert request.model_spec.name == "pieces"
    assert request.model_spec.signature_name == "encode_wordpiece"
    text = tf.make_ndarray(request.inputs["text"])
    assert text.shape == (1,) and text[0]
    signatures = tf.saved_model.load(place).signatures
    got = call(signatures, "encode_wordpiece", {"text": text})
    wanted = wordpiece_model.tokenizer.tokenize(tf.constant(text))
    assert (
        got["token_ids"][0, : got["lengths"][0]].tolist() == wanted[0].numpy().tolist()
    )
    place = export_wordpiece(
        wordpiece_model, tmp_path / "pieces", max_length=9, warmup=False
    )
    assert not os.path.exists(os.path.join(place, "assets.extra"))


def test_wordpiece_export_is_for_wordpieces(model, tmp_path):
    with pytest.raises(ValueError, match="WordpieceTokenizer.*WordTokenizer"):
        export_wordpiece(model, tmp_path / "m")


def test_every_request_can_be_answered(exported, signatures):
    replayed = []
    for request in warmup_requests(exported):
        assert request.model_spec.name == "tiny"
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        name = request.model_spec.signature_name
        answer = signatures[name](**inputs)
        assert all(value.shape[0] == 1 for value in answer.values())
        if "lengths" in answer:
            assert answer["lengths"].numpy()[0] > 0
        replayed.append(name)
    assert sorted(replayed) == sorted(signatures)
