import json
import os

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.server import Model, grpc_server, rest_server
from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.text import WordpieceTokenizer, WordTokenizer
from tfvae.training import RunConfiguration, RunFolder
from tfvae.training.run_folder import NEW_STATE

WORDS = ["the", "food", "was", "good", "."]


def make_finished_run(path, finished=True, tokenizer=None):
    """Writes the folder of a run, its model untrained."""
    overrides = {"embedding_dim": 6, "decoder_dim": 8}
    assert set(overrides) <= set(TINY)
    configuration = RunConfiguration(
        "language_model",
        "train.txt",
        overrides=overrides,
        max_length=5,
        tokenizer="word" if tokenizer is None else "wordpiece",
    )
    folder = RunFolder(path)
    folder.create(configuration)
    tokenizer = tokenizer or WordTokenizer(vocabulary=WORDS)
    model = configuration.make_model(tokenizer, 1)
    model.save(folder.model)
    with open(folder.state, "w", encoding="utf-8") as file:
        json.dump({**NEW_STATE, "epoch": 2, "finished": finished}, file)
    return str(path)


def test_export_of_a_run(tmp_path, capsys, error_of, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_finished_run(tmp_path / "mine")
    metrics = tmp_path / "test.json"
    metrics.write_text('{"nll": 12.5}')
    assert main(["export", run, "--metrics", str(metrics)]) == 0
    place = os.path.join("saved_models", "mine", "1")
    assert capsys.readouterr().out.startswith(f"{place}: written")
    signatures = tf.saved_model.load(place).signatures
    answer = signatures["generate"](
        seed=tf.constant([[1, 2]]), temperature=tf.constant([1.0])
    )
    # The run's own longest sentence, and the end mark.
    assert answer["token_ids"].shape == (1, 6)
    with open(os.path.join(place, "model_card.json")) as file:
        card = json.load(file)
    assert card["metrics"] == {"nll": 12.5}
    assert card["run"]["configuration"]["preset"] == "language_model"
    with open(os.path.join(place, "README.md")) as file:
        assert "12.5" in file.read()
    line = error_of("export", run, "--version", "1")
    assert "this version exists" in line


def test_unfinished_run(tmp_path, error_of):
    run = make_finished_run(tmp_path / "run", finished=False)
    to = ["--to", str(tmp_path / "out" / "m"), "--no-warmup"]
    line = error_of("export", run, *to)
    assert "not finished (whole epochs so far: 2)" in line and "--unfinished" in line
    assert not os.path.exists(tmp_path / "out")
    assert main(["export", run, *to, "--unfinished", "--max-length", "2"]) == 0
    with open(tmp_path / "out" / "m" / "1" / "README.md") as file:
        assert "Exported before its training was finished" in file.read()


def test_nothing_is_written_where_half_is_refused(tmp_path, error_of):
    run, to = make_finished_run(tmp_path / "run"), tmp_path / "m"
    line = error_of("export", run, "--to", to, "--tensorflow-text")
    assert "Leave --tensorflow-text out" in line and "'word'" in line
    assert not to.exists()


def test_wordpieces(tmp_path):
    pieces = WordpieceTokenizer(vocabulary=[*"abc", "##b", "##c"])
    run = make_finished_run(tmp_path / "run", tokenizer=pieces)
    to = str(tmp_path / "m")
    arguments = ["export", run, "--to", to, "--no-warmup", "--max-length", "3"]
    assert main([*arguments, "--tensorflow-text"]) == 0
    text = tf.constant(
        ["ab cb", "abbbb", "", "\udcff".encode("utf-8", "surrogateescape")]
    )
    module = tf.saved_model.load(f"{to}_wordpiece/1")
    got = module.signatures["encode_wordpiece"](text=text)
    assert got["token_ids"].numpy().tolist() == [
        [4, 7, 6],
        [4, 7, 7],
        [0, 0, 0],
        [3, 0, 0],
    ]
    assert got["lengths"].numpy().tolist() == [3, 3, 0, 1]
    assert got["truncated"].numpy().tolist() == [True, True, False, False]
    plain = tf.saved_model.load(f"{to}/1").signatures["score"]
    scored = plain(text=text, seed=tf.zeros([4, 2], tf.int32))
    assert scored["num_tokens"].numpy().tolist() == [4, 4, 1, 2]
    assert (scored["truncated"].numpy() == got["truncated"].numpy()).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--max-length", "0"], "--max-length must be positive"),
        (["--samples", "0"], "num_samples"),
        (["--version", "-1"], "version"),
        (["--measures", "nowhere.json"], "nowhere.json"),
        (["--to", "-no name-"], "the model's name"),
    ],
)
def test_export_refuses(tmp_path, error_of, more, message):
    run = make_finished_run(tmp_path / "run")
    more = ["--to", str(tmp_path / "m"), *more]
    assert message in error_of("export", run, *more)
    assert not os.path.exists(tmp_path / "m")


def test_export_refuses_damaged_metrics(tmp_path, error_of):
    run = make_finished_run(tmp_path / "run")
    (tmp_path / "test.json").write_text("{")
    line = error_of("export", run, "--metrics", tmp_path / "test.json")
    assert "test.json: damaged or cut short" in line


def test_export_needs_a_run(tmp_path, error_of):
    assert "no run here" in error_of("export", tmp_path)


TEXT = tf.TensorSpec([None], tf.string)
SEED = tf.TensorSpec([None, 2], tf.int32)
NUMBER = tf.TensorSpec([None], tf.float32)


class Stub:
    """A signature made of a Python function."""

    def __init__(self, function, **specs):
        self.structured_input_signature = ((), specs)
        self.function = function

    def __call__(self, **inputs):
        return {k: tf.convert_to_tensor(v) for k, v in self.function(**inputs).items()}


def score(text, seed):
    lengths = tf.cast(tf.strings.length(text), tf.float32)
    return {"nll": lengths + tf.cast(seed[:, 0], tf.float32), "num_tokens": seed[:, 1]}


def reconstruct(text, seed, temperature):
    return {"text": text + "|" + tf.strings.as_string(temperature, precision=1)}


def generate(seed, temperature):
    return {"text": tf.strings.as_string(seed[:, 0] + seed[:, 1])}


def interpolate(text_a, text_b, fraction):
    words = [text_a, tf.strings.as_string(fraction, precision=2), text_b]
    return {"text": tf.strings.join(words, " ")}


def respond(context, seed, temperature):
    words = [
        tf.strings.reduce_join(context, 1, separator="/"),
        tf.as_string(seed[:, 1]),
    ]
    return {"text": tf.strings.join(words, " ")}


def transfer(text, label, seed, temperature):
    return {"text": text + "|" + tf.as_string(label)}


def labels(label):
    name = tf.gather(["bad", "good", ""], tf.minimum(label, 2))
    return {"name": name, "unknown_label": label > 1}


TURNS = tf.TensorSpec([None, 3], tf.string)
LABEL = tf.TensorSpec([None], tf.int32)
SIGNATURES = {
    "transfer": Stub(transfer, text=TEXT, label=LABEL, seed=SEED, temperature=NUMBER),
    "labels": Stub(labels, label=LABEL),
    "respond": Stub(respond, context=TURNS, seed=SEED, temperature=NUMBER),
    "score": Stub(score, text=TEXT, seed=SEED),
    "encode": Stub(lambda text, seed: {"mode": [[0.5, -1.0]]}, text=TEXT, seed=SEED),
    "reconstruct": Stub(reconstruct, text=TEXT, seed=SEED, temperature=NUMBER),
    "generate": Stub(generate, seed=SEED, temperature=NUMBER),
    "interpolate": Stub(interpolate, text_a=TEXT, text_b=TEXT, fraction=NUMBER),
}


@pytest.fixture(params=[grpc_server, rest_server], ids=["grpc", "rest"])
def where(request):
    """The options that name a running server."""
    with request.param(Model(SIGNATURES)) as port:
        options = ["--model", "tiny", "--host", "127.0.0.1", "--port", str(port)]
        yield options + (["--rest"] if request.param is rest_server else [])


def test_client_prints_answers(where, capsys, tmp_path):
    def printed(action, *more):
        assert main(["client", action, *where, *more]) == 0
        return capsys.readouterr().out

    out = printed("reconstruct", "--text", "a b", "c", "--temperature", "0.5")
    assert out == "  a b\n> a b|0.5\n  c\n> c|0.5\n"
    assert printed("generate", "--num", "3", "--seed", "4") == "4\n5\n6\n"
    out = printed(
        "interpolate", "--text", "a", "b", "--steps", "3", "--label", "stable"
    )
    assert out == "a 0.00 b\na 0.50 b\na 1.00 b\n"
    assert printed("encode", "--text", "été", "--version", "1") == "0.500 -1.000  été\n"
    path = tmp_path / "texts.txt"
    path.write_text("one two\nthree\n")
    out = printed("score", "--data", str(path), "--seed", "2", "--json", "-")
    assert json.loads(out) == {
        "nll": [9.0, 7.0],
        "num_tokens": [0, 1],
        "input": ["one two", "three"],
    }
    path = tmp_path / "texts.csv"
    path.write_text("1,one two\n2,three\n")
    more = ["--column", "2", "--no-header", "--json", "-"]
    out = json.loads(printed("score", "--data", str(path), *more))
    assert out["input"] == ["one two", "three"]
    assert printed("score", "--text", "abc").split() == [
        "nll",
        "num_tokens",
        "3",
        "0",
        "abc",
    ]


def test_client_sends_contexts(where, capsys, tmp_path):
    def printed(action, *more):
        assert main(["client", action, *where, *more]) == 0
        return capsys.readouterr().out

    turns = ["--turn", "how ?", "--turn", "and you ?"]
    assert printed("respond", *turns) == "  how ?\n  and you ?\n> /how ?/and you ? 0\n"
    table = tmp_path / "asked.tsv"
    table.write_text("asked\na\nb __eou__ c\n", encoding="utf-8")
    asked = ["--data", str(table), "--context-column", "asked"]
    out = printed("respond", *asked, "--num", "2")
    assert out == "  a\n> //a 0\n> //a 1\n  b\n  c\n> /b/c 2\n> /b/c 3\n"
    out = json.loads(printed("respond", *turns, "--json", "-"))
    assert out == {
        "text": ["/how ?/and you ? 0"],
        "context": [["how ?", "and you ?"]],
    }


def test_client_transfers(where, capsys, tmp_path, error_of):
    command = ["client", "transfer", *where]
    assert main([*command, "--to", "good", "--text", "a b", "c"]) == 0
    assert capsys.readouterr().out == "  a b\n> a b|1\n  c\n> c|1\n"
    path = tmp_path / "texts.txt"
    path.write_text("one two\n")
    assert main([*command, "--to", "bad", "--data", str(path), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"text": ["one two|0"], "input": ["one two"]}
    # By its name alone: a number may be one too.
    found = error_of(*command, "--to", "1", "--text", "a")
    assert "The label must be one of bad, good. Received: '1'" in found


def test_a_context_goes_along_with_each_text(monkeypatch, capsys, tmp_path):
    sent = []

    class Asked:
        def __init__(self, *args, **options):
            pass

        def score(self, texts, **options):
            sent.append((texts, options))
            return {"nll": np.arange(len(texts)), "num_tokens": np.ones(len(texts))}

    monkeypatch.setattr("tfvae.serving.Client", Asked)
    score = ["client", "score", "--model", "tiny"]
    assert main([*score, "--text", "a", "b", "--turn", "c", "--turn", "d"]) == 0
    table = tmp_path / "pairs.tsv"
    table.write_text("context\ttext\nx\ta b\ny __eou__ z\tc\n", encoding="utf-8")
    assert main([*score, "--data", str(table), "--context-column", "context"]) == 0
    assert sent == [
        (["a", "b"], {"contexts": [["c", "d"], ["c", "d"]], "seed": 0}),
        (["a b", "c"], {"contexts": ["x", ["y", "z"]], "seed": 0}),
    ]
    assert capsys.readouterr().out.splitlines()[-1].split() == ["1", "1", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["respond"], "respond needs a context"),
        (["respond", "--text", "a"], "respond takes contexts"),
        (["respond", "--turn", "a", "--turn", " "], "--turn needs words"),
        (["respond", "--turn", "a", "--num", "0"], "--num must be positive"),
        (["respond", "--turn", "a", "--data", "b"], "not both"),
        (["respond", "--turn", "a", "--context-column", "b"], "this is about"),
        (["transfer", "--text", "a"], "the label that texts are to have: give --to"),
        (["transfer", "--to", "a"], "transfer needs texts"),
        (["reconstruct", "--text", "a", "--to", "b"], "--to is for transfer, not for"),
        (["transfer", "--to", "a", "--turn", "b"], "--turn is for respond, recon"),
        (["generate", "--turn", "a"], "--turn is for respond, reconstruct, encode"),
        (["score"], "score needs texts"),
        (["generate", "--text", "a"], "generate takes no texts"),
        (["generate", "--num", "0"], "--num must be positive"),
        (["generate", "--port", "-1"], "--port must be positive"),
        (["interpolate", "--text", "one"], "two texts"),
        (
            ["interpolate", "--text", "one", "two", "--steps", "1"],
            "--steps must be at least 2",
        ),
        (["score", "--text", "a", "--data", "b"], "not both"),
        (["score", "--data", "nowhere.txt"], "nowhere.txt: no such file"),
        (["score", "--text", "a", "--column", "x"], "--column: this is about"),
        (["score", "--text", "a", "--no-header"], "--no-header: this is about"),
        (["score", "--text", "a", "--temperature", "2"], "--temperature is for resp"),
        (
            ["encode", "--text", "a", "--num", "2"],
            "--num is for generate, respond, not",
        ),
        (["generate", "--steps", "3"], "--steps is for interpolate, not for gen"),
        (
            ["interpolate", "--text", "a", "b", "--seed", "3"],
            "--seed is for respond, recon",
        ),
        (["generate", "--json", "nowhere/a.json"], "--json must name a file"),
        (["score", "--text", "a", "--timeout", "0"], "`timeout` must be positive"),
        (
            ["score", "--text", "a", "--port", "1", "--retries", "0"],
            "no model server answers at",
        ),
        (
            ["score", "--text", "a", "--port", "1", "--retries", "0", "--rest"],
            "no model server answers at 127.0.0.1:1",
        ),
    ],
)
def test_client_refuses(error_of, arguments, message):
    where = ["--model", "tiny", "--host", "127.0.0.1"]
    assert message in error_of("client", *arguments, *where)


def test_refusal_of_the_server_is_one_line(where, error_of):
    line = error_of("client", "score", "--text", "a", *where, "--version", "7")
    assert "Servable not found" in line
