"""Several devices and several machines share a run."""

import csv
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import make_vae
from tfvae.loops.lagging import Lagging
from tfvae.seeds import as_seed, fold_in
from tfvae.text import default_grammar
from tfvae.training import RunFolder, train
from tfvae.training.distribute import Workers

ROOT = pathlib.Path(__file__).parents[2]
# Plain descent: Adam would turn rounding errors of tiny gradients into whole steps.
DESCENT = {"optimizer": "sgd", "learning_rate": 0.5, "clip_norm": 0.5}
CRITIC = {"num_critic_steps": 2, "critic_dims": (7,), "critic_learning_rate": 0.01}
SILENT = dict.fromkeys(
    ("encoder_dropout", "input_dropout", "memory_dropout", "output_dropout"), 0.0
)


def program(strategy, configurations, out, place=None, resume=False, die=False):
    """Starts a process; `place` is its number and the addresses of all."""
    options = {
        "strategy": strategy,
        "configurations": {
            name: dataclasses.asdict(each) for name, each in configurations.items()
        },
        "out": str(out),
        "resume": resume,
        "die": die,
    }
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    if place is not None:
        task = {"type": "worker", "index": place[0]}
        cluster = {"worker": place[1]}
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.distributed_run", json.dumps(options)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(processes, timeout=300):
    """Waits for processes, ending what hangs, for their exit codes and messages."""
    try:
        said = [each.communicate(timeout=timeout)[1] for each in processes]
    finally:
        for each in processes:
            each.kill()
    return [each.returncode for each in processes], said


def pair(configurations, out, resume=False, dying=None):
    """Runs two workers on this machine; the one named by `dying` is killed."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return finished(
        [
            program(
                "multi_worker",
                configurations,
                out,
                (index, addresses),
                resume,
                index == dying,
            )
            for index in range(2)
        ]
    )


def shards(batch, num):
    """Splits the rows of a batch."""
    parts = {key: np.split(values, num) for key, values in batch.items()}
    return [{key: parts[key][i] for key in parts} for i in range(num)]


def mean(gradients):
    """Averages lists of gradients, one list a replica."""
    return [tf.add_n(each) / len(each) for each in zip(*gradients, strict=True)]


def take_step(model, parts):
    """Takes one update on the parts of a batch, each with noise of its own."""
    seed = fold_in(as_seed(model.seed), model.step.value)
    tapes, records = [], []
    for replica, part in enumerate(parts):
        with tf.GradientTape() as tape:
            inputs = {key: tf.constant(values) for key, values in part.items()}
            records.append(
                model.forward(inputs, seed=fold_in(seed, replica), training=True)
            )
        tapes.append(tape)
    for term in model.critics:
        variables = term.critic.trainable_variables
        for index in range(term.num_critic_steps):
            found = []
            for record in records:
                with tf.GradientTape() as of_critic:
                    cost = term.critic_cost(record.detached(), index)
                found.append(of_critic.gradient(cost, [v.value for v in variables]))
            term.critic_optimizer.apply(mean(found), variables)
    found = []
    for tape, record in zip(tapes, records, strict=True):
        with tape:
            loss = model.loss_and_costs(record, model.step.value)[0]
        found.append(model.gradients(tape, loss, model.model_variables))
    model.optimizer.apply(mean(found), model.model_variables)
    model.step.assign_add(1)


def by_hand(configuration, num_replicas=2):
    """Trains a model in this process on the parts of each batch."""
    keras.utils.set_random_seed(configuration.seed)
    batches = configuration.training_batches()
    model = configuration.make_model(batches.tokenizer, len(batches))
    for epoch in range(configuration.epochs):
        for batch in batches.arrays(epoch):
            take_step(model, shards(batch, num_replicas))
    return model


def rows_of(folder):
    with open(folder.history, newline="") as file:
        return list(csv.DictReader(file))


def assert_close(first, second, tolerance=2e-5):
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(
            one.numpy(), other.numpy(), atol=tolerance, err_msg=one.path
        )


def assert_same_history(first, second):
    """Compares the metrics of two runs, their validation too."""
    first, second = rows_of(first), rows_of(second)
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert set(one) == set(other)
        for name, value in one.items():
            assert float(value) == pytest.approx(float(other[name]), rel=1e-4), name


def assert_same_on_both(path, name):
    """Compares the weights that the workers had at the end."""
    first, second = (np.load(path / f"{name}-{index}.npz") for index in range(2))
    assert set(first) == set(second)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def loaded(folder):
    return keras.models.load_model(folder.last)


@pytest.mark.slow
def test_two_devices_equal_one_process(tmp_path, configuration):
    made = configuration("vae", epochs=1, overrides=DESCENT)
    process = program("mirrored", {"run": made}, tmp_path)
    expected = by_hand(made)
    codes, said = finished([process])
    assert codes == [0], said
    assert_close(loaded(RunFolder(tmp_path / "run")), expected, tolerance=2e-6)


@pytest.mark.slow
def test_two_machines_equal_one_process(tmp_path, configuration):
    noisy = {
        # The critic's cost is a mean over sentences; that of `mine_vae` is the
        # logarithm of one, so replicas cannot add it up.
        "ivae_mi": configuration("ivae_mi", epochs=1, overrides={**DESCENT, **CRITIC}),
        "vae": configuration("vae", epochs=1, overrides=DESCENT),
        "coupled_vae": configuration("coupled_vae", epochs=1, overrides=DESCENT),
    }
    # No noise: the same as without any strategy, validation too. Its 20 sentences are
    # 3 batches, so that the last round has an empty one.
    silent = configuration("dae", epochs=2, overrides={**DESCENT, **SILENT})
    codes, said = pair({**noisy, "dae": silent}, tmp_path)
    assert codes == [0, 0], said
    for name, made in noisy.items():
        assert_close(loaded(RunFolder(tmp_path / name)), by_hand(made))
        assert_same_on_both(tmp_path, name)
    whole = train(silent, tmp_path / "whole", verbose=0)
    shared = RunFolder(tmp_path / "dae")
    assert_close(loaded(shared), loaded(whole))
    assert_same_history(shared, whole)


@pytest.fixture
def dialogues(tmp_path):
    """The arguments of a configuration whose sentences answer up to two turns."""
    paths = {}
    for name, num in (("train", 40), ("valid", 20)):
        pairs = list(default_grammar().sample_pairs(num, name))
        turns = [[pair.context] for pair in pairs]
        # Every other dialogue has a turn more.
        for row in range(0, num, 2):
            turns[row].insert(0, pairs[row - 1].text)
        rows = zip(turns, (pair.text for pair in pairs), strict=True)
        path = tmp_path / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({"context": c, "text": t}) + "\n" for c, t in rows)
        )
        paths[name] = str(path)
    return {**paths, "context_column": "context", "max_turns": 2}


@pytest.mark.slow
def test_two_machines_read_contexts(tmp_path, configuration, dialogues):
    one = {"epochs": 1, "overrides": DESCENT, **dialogues}
    noisy = {name: configuration(name, **one) for name in ("cvae", "coupled_cvae")}
    silent = {
        "seq2seq": configuration(
            "seq2seq", epochs=2, overrides={**DESCENT, **SILENT}, **dialogues
        )
    }
    codes, said = pair({**noisy, **silent}, tmp_path)
    assert codes == [0, 0], said
    for name, made in noisy.items():
        assert_close(loaded(RunFolder(tmp_path / name)), by_hand(made))
        assert_same_on_both(tmp_path, name)
    whole = train(silent["seq2seq"], tmp_path / "whole", verbose=0)
    shared = RunFolder(tmp_path / "seq2seq")
    assert_close(loaded(shared), loaded(whole))
    assert_same_history(shared, whole)


@pytest.mark.slow
def test_continues_after_a_worker_was_killed(tmp_path, configuration):
    made = {"run": configuration("vae", epochs=2, overrides=DESCENT)}
    codes, said = pair(made, tmp_path, dying=1)
    assert codes[0] == 1 and codes[1] != 0, said
    assert "refused: Another worker has ended" in said[0]
    assert RunFolder(tmp_path / "run").load_state()["epoch"] == 1
    codes, said = pair(made, tmp_path, resume=True)
    assert codes == [0, 0], said
    folder = RunFolder(tmp_path / "run")
    assert folder.load_state()["finished"]
    assert [row["epoch"] for row in rows_of(folder)] == ["0", "1"]
    assert_close(loaded(folder), by_hand(made["run"]))
    assert_same_on_both(tmp_path, "run")


@pytest.mark.slow
def test_all_workers_refuse_what_one_refuses(tmp_path, configuration):
    made = configuration("vae", epochs=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("mine")
    codes, said = pair({"run": made}, tmp_path)
    assert codes == [1, 1]
    assert "refused: " in said[0] and "not empty" in said[0]
    assert "refused: worker 0 could not start" in said[1]


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_refuses_a_wrong_cluster(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG"):
        Workers("multi_worker")


def test_refuses_what_replicas_cannot_do():
    with pytest.raises(ValueError, match="must be one of none, mirrored"):
        Workers("everywhere")
    workers = Workers()
    workers.num_replicas = 3
    workers.check_batch_size(9)
    with pytest.raises(ValueError, match="multiple of the 3 replicas.*batch_size=8"):
        workers.check_batch_size(8)
    lagging = make_vae(loop=Lagging())
    with pytest.raises(ValueError, match="loop `Lagging` trains on one device"):
        workers.check_model(lagging)
    workers.check_model(make_vae())
    workers.num_replicas = 1
    workers.check_model(lagging)
