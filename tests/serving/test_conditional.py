"""Exports of models that answer contexts or read labels."""

import json
import os

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tests.serving.support import (
    CONDITIONAL,
    LABEL_NAMES,
    LABELS,
    MAX_LENGTH,
    NUM_SAMPLES,
    NUM_TURNS,
    SEEDS,
    TEXTS,
    TURNS,
    assert_same,
    call,
    ids_of,
    make_model,
    request_for,
)
from tests.serving.test_exporter import warmup_requests
from tests.support import make_encoder
from tfvae.encoders import Condition, ContextEncoder
from tfvae.latents import Implicit
from tfvae.models.inputs import batch_of
from tfvae.objectives import Reconstruction
from tfvae.seeds import Stream, fold_in
from tfvae.serving import export, signatures_of
from tfvae.serving.per_example import InferenceEngine

# A table of conditional models, each exported.
pytestmark = pytest.mark.long

ANSWERING = ["respond", "reconstruct", "encode", "decode", "score"]
PLAIN = ["reconstruct", "encode", "decode", "generate", "interpolate", "score"]
SIGNATURES = {
    "turns": ANSWERING,
    "text": ANSWERING,
    "both": [*ANSWERING, "labels"],
    "seq2seq": ["respond", "score"],
    "label": [*PLAIN, "labels"],
    "arae": [*PLAIN, "transfer", "labels"],
    "arae_one_decoder": [*PLAIN, "transfer", "labels"],
    "reader": ["respond", "encode", "decode", "score"],
}


def inputs_of(model, row, texts=None):
    """Reads a row by the library's own functions, which know no empty context."""
    turns = [text for text in TURNS[row] if text.strip()]
    turns = [" ".join(text.split()[:MAX_LENGTH]) for text in turns]
    made = {"label": LABELS[row], "context": turns if model.reads_turns else turns[-1]}
    inputs = batch_of(model, [made], model.requires)
    if texts is not None:
        inputs["tokens"] = tf.constant(ids_of(texts[row]))
    return inputs


KINDS = [
    *("turns", "seq2seq", "label"),
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("text", "both")),
    *("reader", "arae"),
    pytest.param("arae_one_decoder", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_see_each_other(exports, kind):
    _, _, signatures = exports(kind)
    assert set(signatures) == {*SIGNATURES[kind], "serving_default"}
    order = np.array([4, 1, 0, 2, 3, 3, 1])
    for name in SIGNATURES[kind]:
        together = call(signatures, name, request_for(signatures, name))
        for row in (0, 3, 4):
            rows = slice(row, row + 1)
            alone = call(signatures, name, request_for(signatures, name, rows))
            # Words and their ids are the same to the bit.
            assert_same({k: v[rows] for k, v in together.items()}, alone)
        mixed = call(signatures, name, request_for(signatures, name, order))
        assert_same(mixed, {key: value[order] for key, value in together.items()})


@pytest.mark.parametrize("kind", ["turns", *KINDS[3:5]])
def test_codes_of_responses_are_those_of_the_prior_given_the_context(exports, kind):
    model, _, signatures = exports(kind)
    given = request_for(signatures, "respond")
    given["temperature"] = np.zeros(len(TEXTS), np.float32)
    got = call(signatures, "respond", given)
    for row in (0, 1, 4):
        context = model.condition(inputs_of(model, row))
        seed = tf.random.experimental.stateless_fold_in(SEEDS[row], 0, alg="philox")
        z = model.sample_prior(1, seed, context)
        np.testing.assert_allclose(got["z"][row], z[0], 1e-5, 1e-6)
        ids = model.decode_ids(z, context=context, max_length=MAX_LENGTH + 1)[0]
        np.testing.assert_array_equal(got["token_ids"][row], ids)
    assert not np.allclose(got["z"][0], got["z"][1])
    # The codes stay where words are drawn.
    given["temperature"] += 1.5
    warm = call(signatures, "respond", given)
    np.testing.assert_array_equal(warm["z"], got["z"])
    assert (warm["token_ids"] != got["token_ids"]).any()


def test_an_encoder_decoder_answers_and_scores(exports):
    model, _, signatures = exports("seq2seq")
    given = request_for(signatures, "respond")
    given["temperature"] = np.zeros(len(TEXTS), np.float32)
    got = call(signatures, "respond", given)
    scores = call(signatures, "score", request_for(signatures, "score"))
    assert set(scores) == {"nll", "num_tokens", "num_samples", "truncated"}
    for row in (0, 1, 4):
        inputs = inputs_of(model, row, TEXTS)
        ids = model.generate_ids(
            1,
            context=model.condition(inputs),
            sampler="greedy",
            max_length=MAX_LENGTH + 1,
        )
        np.testing.assert_array_equal(got["token_ids"][row], ids[0])
        nll = -model.forward(inputs).log_likelihood[0, 0]
        assert scores["nll"][row] == pytest.approx(float(nll), rel=1e-5)
    assert got["truncated"].tolist() == [False, False, False, False, True]


def test_scores_weigh_by_the_prior_given_the_context(exports):
    model, _, signatures = exports("turns")
    got = call(signatures, "score", request_for(signatures, "score"))
    for row in (0, 1, 4):
        inputs = inputs_of(model, row, TEXTS)
        forward = model.forward(inputs, num_samples=NUM_SAMPLES, seed=SEEDS[row])
        log_p = forward.log_likelihood[:, 0].numpy().astype(np.float64)
        z = forward.z[:, 0].numpy().astype(np.float64)
        own = model.prior(model.condition(inputs))
        means, scales = zip(
            *[
                (params["loc"][0].numpy(), np.exp(0.5 * params["log_variance"][0]))
                for params in (forward.params, own)
            ],
            strict=True,
        )
        log_q, log_prior = (
            scipy.stats.norm.logpdf(z, mean, scale).sum(1)
            for mean, scale in zip(means, scales, strict=True)
        )
        ratio = scales[0] / scales[1]
        apart = (means[0] - means[1]) / scales[1]
        kl = np.sum(0.5 * (ratio**2 + apart**2 - 1.0) - np.log(ratio))
        nll = np.log(NUM_SAMPLES) - scipy.special.logsumexp(log_p + log_prior - log_q)
        assert got["kl"][row] == pytest.approx(kl, rel=1e-4)
        assert got["reconstruction"][row] == pytest.approx(-log_p.mean(), rel=1e-5)
        assert got["nelbo"][row] == pytest.approx(kl - log_p.mean(), rel=1e-4)
        assert got["nll"][row] == pytest.approx(nll, rel=1e-5)
    assert got["truncated"].tolist() == [False, False, False, False, True]


def test_codes_of_the_context_alone(exports):
    model, _, signatures = exports("reader")
    given = request_for(signatures, "respond")
    answers = call(signatures, "respond", given)
    encoded = call(signatures, "encode", request_for(signatures, "encode"))
    np.testing.assert_array_equal(answers["z"], encoded["sample"])
    again = {key: given[key] for key in ("seed", "temperature")}
    written = call(signatures, "decode", {"z": answers["z"], **again})
    np.testing.assert_array_equal(written["token_ids"], answers["token_ids"])
    scores = call(signatures, "score", request_for(signatures, "score"))
    # No bound of the sentence's likelihood is reported.
    assert not {"kl", "nelbo"} & set(scores)
    for row in (0, 1, 4):
        inputs = inputs_of(model, row, TEXTS)
        forward = model.forward(inputs, num_samples=NUM_SAMPLES, seed=SEEDS[row])
        z = model.forward(inputs, num_samples=1, seed=SEEDS[row]).z[0, 0]
        np.testing.assert_allclose(encoded["sample"][row], z, 1e-5)
        log_p = forward.log_likelihood[:, 0].numpy().astype(np.float64)
        nll = np.log(NUM_SAMPLES) - scipy.special.logsumexp(log_p)
        assert scores["nll"][row] == pytest.approx(nll, rel=1e-5)


def test_reconstruction_and_decoding_read_the_context(exports):
    model, _, signatures = exports("turns")
    given = request_for(signatures, "reconstruct")
    got = call(signatures, "reconstruct", given)
    turns = request_for(signatures, "decode") | {"z": got["z"]}
    assert {"context", "z", "seed", "temperature"} == set(turns)
    written = call(signatures, "decode", turns)
    np.testing.assert_array_equal(written["token_ids"], got["token_ids"])
    rows = [0, 1, 2]
    contexts = [[text for text in TURNS[row] if text.strip()] for row in rows]
    texts = ["a cat ran", "the dog saw a cat", "été"]
    given |= {
        "text": np.array([text.encode() for text in texts] * 2, object)[:5],
        "temperature": np.zeros(5, np.float32),
    }
    got = call(signatures, "reconstruct", given)
    codes = model.encode(texts, contexts=contexts)
    np.testing.assert_allclose(got["z"][rows], codes, 1e-4, 1e-5)
    again = model.reconstruct(texts, contexts=contexts, max_length=MAX_LENGTH + 1)
    assert [text.decode() for text in got["text"][rows]] == again
    assert model.decode(codes, contexts=contexts, max_length=MAX_LENGTH + 1) == again


def test_missing_turns_may_stand_anywhere_and_order_counts(exports):
    _, _, signatures = exports("turns")
    contexts = [
        ["", "a cat", "the dog"],
        ["a cat", "", "the dog"],
        ["a cat", "the dog", " "],
        ["the dog", "a cat", ""],
    ]
    contexts = [[text.encode() for text in each] for each in contexts]
    given = {
        "context": np.array(contexts, object),
        "seed": SEEDS[:1].repeat(4, 0),
        "temperature": np.ones(4, np.float32),
    }
    z = call(signatures, "respond", given)["z"]
    np.testing.assert_allclose(z[1:3], z[:1].repeat(2, 0), 1e-6)
    assert np.abs(z[3] - z[0]).max() > 1e-3


def test_labels(exports):
    model, _, signatures = exports("label")
    got = call(signatures, "generate", request_for(signatures, "generate"))
    for row, label in enumerate(LABELS):
        context = tf.one_hot([label], 3)
        seed = tf.random.experimental.stateless_fold_in(SEEDS[row], 0, alg="philox")
        z = model.sample_prior(1, seed, context)
        np.testing.assert_allclose(got["z"][row], z[0], 1e-5, 1e-6)
    assert not got["unknown_label"].any()
    # A label that does not exist leaves the other rows alone.
    strange = request_for(signatures, "generate")
    strange["label"] = np.array([0, 3, 1, -1, 2], np.int32)
    other = call(signatures, "generate", strange)
    assert other["unknown_label"].tolist() == [False, True, False, True, False]
    for name in ("z", "token_ids"):
        rows = [0, 2, 4]
        np.testing.assert_array_equal(other[name][rows], got[name][rows])
    assert np.isfinite(other["z"]).all()
    given = request_for(signatures, "interpolate")
    given["fraction"] = np.zeros(len(TEXTS), np.float32)
    line = call(signatures, "interpolate", given)
    encoded = call(signatures, "encode", request_for(signatures, "encode"))
    np.testing.assert_allclose(line["z"], encoded["mode"], 1e-5, 1e-6)


@pytest.mark.parametrize("kind", ["arae", "arae_one_decoder"])
def test_texts_are_written_with_another_label(exports, kind):
    model, _, signatures = exports(kind)
    given = request_for(signatures, "transfer")
    given["temperature"] = np.zeros(len(TEXTS), np.float32)
    rows, written = [0, 1, 3, 4], []
    for number, name in enumerate(LABEL_NAMES):
        given["label"] = np.full(len(TEXTS), number, np.int32)
        got = call(signatures, "transfer", given)
        texts = [" ".join(TEXTS[row].split()[:MAX_LENGTH]) for row in rows]
        wanted = model.transfer(texts, name, max_length=MAX_LENGTH + 1)
        codes = model.encode(texts, labels=[name] * len(rows))
        assert [text.decode() for text in got["text"][rows]] == wanted
        np.testing.assert_allclose(got["z"][rows], codes, 1e-4, 1e-5)
        assert got["truncated"].tolist() == [False, False, False, False, True]
        written.append(wanted)
    # The label is what makes the difference, and the text what else is written.
    assert len(set(map(tuple, written))) > 1
    assert any(len(set(texts)) > 1 for texts in written)
    given["label"] = np.array([0, 1, 2, 3, -1], np.int32)
    got = call(signatures, "transfer", given)
    assert got["unknown_label"].tolist() == [False] * 3 + [True] * 2


def test_labels_have_names(exports):
    _, _, signatures = exports("arae")
    got = call(signatures, "labels", {"label": np.array([2, 0, 3, -1], np.int32)})
    assert got["name"].tolist() == [b"good", b"bad", b"", b""]
    assert got["unknown_label"].tolist() == [False, False, True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_of_the_warmup_can_be_answered(exports, kind):
    _, folder, signatures = exports(kind)
    replayed = []
    for logged in warmup_requests(folder):
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in logged.inputs.items()
        }
        name = logged.model_spec.signature_name
        answer = signatures[name](**inputs)
        assert all(value.shape[0] == 1 for value in answer.values())
        if "context" in inputs:
            assert all(text.split() for text in inputs["context"].numpy()[0])
        replayed.append(name)
    assert sorted(replayed) == sorted(signatures)


def card_of(folder):
    with open(os.path.join(folder, "model_card.json"), encoding="utf-8") as file:
        card = json.load(file)
    with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
        return card, " ".join(file.read().split())


def test_cards(exports):
    card, readme = card_of(exports("turns")[1])
    assert card["condition"] == {
        "reads": ["context"],
        "max_context_length": MAX_LENGTH,
        "max_turns": NUM_TURNS,
        "answered": "the last turn",
    }
    assert card["default_signature"] == "respond"
    assert card["components"]["condition"] == "TurnEncoder"
    assert "| input | `context` | string | [B, 3] |" in readme
    assert "at most 3 turns in their order: the last one is answered" in readme
    card, readme = card_of(exports("label")[1])
    names = ["bad", "fair", "good"]
    assert card["condition"] == {"reads": ["label"], "label_names": names}
    assert "`label` is the number of a label: 0 bad, 1 fair, 2 good." in readme
    assert "There is no `transfer`: a code is of a text with its own label." in readme
    card, readme = card_of(exports("arae")[1])
    assert "### `transfer` the text written with the label" in readme
    assert card["left_out"] == {}
    card, readme = card_of(exports("seq2seq")[1])
    assert "max_turns" not in card["condition"] and "one text" in readme
    _, readme = card_of(exports("reader")[1])
    assert f"nll is of the mean over {NUM_SAMPLES} samples" in readme


def test_a_prior_without_a_density(tmp_path):
    model = make_model(
        condition=ContextEncoder(make_encoder()),
        prior=Implicit(2, 2, (4,)),
        objective=[Reconstruction()],
    )
    folder = export(
        model, tmp_path / "tiny", num_samples=2, max_length=MAX_LENGTH, warmup=False
    )
    card, readme = card_of(folder)
    assert set(card["signatures"]) == {"reconstruct", "encode", "decode", "score"}
    assert set(card["left_out"]) == {"respond"}
    assert "There is no `respond`: no term" in readme
    assert "nll is of the mean over 20 samples of the prior" in readme
    loaded = tf.saved_model.load(folder)
    scores = call(loaded.signatures, "score", request_for(loaded.signatures, "score"))
    names = {"reconstruction", "nll", "num_tokens", "num_samples", "truncated"}
    assert set(scores) == names and set(scores["num_samples"]) == {20}
    for row in (0, 1, 4):
        inputs = inputs_of(model, row, TEXTS)
        context = model.condition(inputs)
        z, _ = model.prior.sample(
            model.prior(context), 20, fold_in(tf.constant(SEEDS[row]), Stream.PROPOSAL)
        )
        memory = model.memory(z, context)
        log_p = model.decoder.log_prob(inputs["tokens"], memory)[:, 0].numpy()
        nll = np.log(20) - scipy.special.logsumexp(log_p.astype(np.float64))
        assert scores["nll"][row] == pytest.approx(nll, rel=1e-5)


class Weather(Condition):
    """A condition on what no signature knows."""

    requires = ("weather",)
    context_dim = 1

    def build(self):
        """Has no weights."""
        self.built = True

    def call(self, inputs, seed=None, training=False):
        """Passes it on."""
        return inputs["weather"]


def test_refusals(tmp_path):
    model = make_model(condition=Weather())
    with pytest.raises(ValueError, match="reads weather, for which no signature"):
        signatures_of(model)
    with pytest.raises(ValueError, match="reads 'weather', which is no text"):
        InferenceEngine(model, 3, 1)
    with pytest.raises(ValueError, match="`max_turns` must be positive"):
        export(CONDITIONAL["turns"](), tmp_path / "m", max_turns=0)
    assert not os.path.exists(tmp_path / "m")
