"""Trains presets side by side and prints one table of their metrics.

grammar  every preset on the corpus of a probabilistic grammar, whose entropy is known:
         nothing that is called a bound may lie below it
ptb      some presets on train.txt, valid.txt and test.txt of a folder, in one setting,
         with the time of a training step relative to `vae`

A run lives in a folder of its own under --out. What is finished there is not done
again, so an interrupted table goes on where it stopped.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import subprocess
import sys
import time

from tfvae.cli.main import import_tensorflow

GRAMMAR_SIZES = {
    "embedding_dim": 64,
    "encoder_dim": 128,
    "decoder_dim": 128,
    "latent_dim": 16,
    "input_dropout": 0.2,
    "output_dropout": 0.2,
    "learning_rate": 2e-3,
}
# Presets whose steps cost many times those of the others get a smaller share.
GRAMMAR_OPTIONS = {
    "lagging_vae": {"check_every": 2, "max_sub_steps": 4},
    "coupled_lagging_vae": {"check_every": 2, "max_sub_steps": 4},
    "prefb_vae": {"pretraining": 0.5},
    "coupled_prefb_vae": {"pretraining": 0.5},
    "sa_vae": {"num_steps": 2},
    "cnn_vae": {"size": "small", "num_filters": 64},
    "coupled_cnn_vae": {"size": "small", "num_filters": 64},
}
GRAMMAR_EPOCHS = {"lagging_vae": 4, "coupled_lagging_vae": 4, "sa_vae": 4}
# Two updates of the encoder for each of the decoder, which is updated as often as the
# other presets' decoders; the paper's loops have up to 100.
PTB_OPTIONS = {"lagging_vae": {"check_every": 2, "max_sub_steps": 2}}
PTB_PRESETS = (
    "vae",
    "coupled_vae",
    "copula_vae",
    "mine_vae",
    "ivae_mi",
    "wae_stochastic",
    "vmf_vae",
    "planar_vae",
    "lagging_vae",
)
COLUMNS = (
    "reconstruction",
    "kl",
    "nelbo",
    "nll",
    "mi",
    "active_units",
    "critic_elbo",
    "nelbo_minus_log_copula",
)
# Differences of paired means count when they exceed this many standard errors.
NUM_ERRORS = 4.0


def run_one(configuration, folder, test, num_samples):
    """Trains and measures one preset; keeps the result beside the run."""
    path = os.path.join(folder, "result.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    import numpy as np

    from tfvae.evaluation import evaluate
    from tfvae.training import RunFolder, train

    started = time.time()
    # A folder without a whole epoch has nothing to resume, but its configuration.
    resume = os.path.exists(RunFolder(folder).configuration)
    run = train(configuration, folder, resume=resume, verbose=2)
    seconds = time.time() - started
    model = run.load_model()
    batches = configuration.batches(test, model.tokenizer, shuffle=False)
    # By sentence in the order of the file, to be paired with the truth.
    result = evaluate(model, batches, num_samples=num_samples, per_sentence=True)
    sentences = result.pop("per_sentence")
    result["per_sentence"] = {
        name: np.asarray(sentences[name], "float64").round(4).tolist()
        for name in ("nelbo", "nll")
        if name in sentences
    }
    result["train_seconds"] = seconds
    write_json(path, result)
    return result


def write_json(path, content):
    """Writes a file that is there whole or not at all."""
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(path + ".partial", path)


def run_all(presets, make_configuration, out, test, num_samples):
    """Runs each preset in a process of its own, so that memory is given back."""
    results = {}
    for name in presets:
        folder = os.path.join(out, name)
        if not os.path.exists(os.path.join(folder, "result.json")):
            print(f"== {name}", flush=True)
            job = {
                "configuration": dataclasses.asdict(make_configuration(name)),
                "folder": folder,
                "test": test,
                "num_samples": num_samples,
            }
            code = subprocess.run(
                [sys.executable, __file__, "one"], input=json.dumps(job), text=True
            ).returncode
            if code:
                print(f"== {name} failed with status {code}", file=sys.stderr)
                continue
        results[name] = run_one(None, folder, None, None)
    return results


def one(job):
    """Does the job that `run_all` sends on standard input."""
    import_tensorflow()
    from tfvae.training import RunConfiguration

    run_one(
        RunConfiguration(**job["configuration"]),
        job["folder"],
        job["test"],
        job["num_samples"],
    )


def cell(value):
    if value is None:
        return ""
    # Adding 0 turns a rounded -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:.2f}" if isinstance(value, float) else str(value)


def table(results, extra):
    """Lays the results out as Markdown; `extra` maps a heading to a dict of cells."""
    shown = [c for c in COLUMNS if any(c in result for result in results.values())]
    lines = ["| preset | " + " | ".join([*shown, *extra]) + " |"]
    lines.append("|---" * (1 + len(shown) + len(extra)) + "|")
    for name, result in results.items():
        cells = [cell(result.get(column)) for column in shown]
        cells += [cell(values.get(name)) for values in extra.values()]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def below(costs, truth):
    """Tells whether bounds of sentences lie below the truth beyond sampling error."""
    differences = [cost - own for cost, own in zip(costs, truth, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / (len(differences) - 1)
    return mean < -NUM_ERRORS * math.sqrt(variance / len(differences))


def grammar(args):
    from tfvae.presets import PRESETS
    from tfvae.text import default_grammar, read_lines, write_corpus
    from tfvae.training import RunConfiguration

    corpus = os.path.join(args.out, "corpus")
    if not os.path.exists(corpus):
        write_corpus(corpus)
    paths = {s: os.path.join(corpus, f"{s}.txt") for s in ("train", "valid", "test")}

    def make_configuration(name):
        return RunConfiguration(
            name,
            paths["train"],
            valid=paths["valid"],
            epochs=min(args.epochs, GRAMMAR_EPOCHS.get(name, args.epochs)),
            batch_size=64,
            scale_schedules=True,
            # Compiling takes longer than it saves on networks as small as these.
            xla=False,
            overrides=GRAMMAR_SIZES | GRAMMAR_OPTIONS.get(name, {}),
        )

    presets = args.presets or list(PRESETS)
    results = run_all(presets, make_configuration, args.out, paths["test"], 100)
    truth = [-default_grammar().log_prob(text) for text in read_lines(paths["test"])]
    entropy = default_grammar().entropy()
    own = sum(truth) / len(truth)
    seconds = {name: round(r["train_seconds"]) for name, r in results.items()}
    print(table(results, {"seconds": seconds}))
    print(f"\nEntropy {entropy:.2f} nats per sentence; of these sentences {own:.2f}.")
    failed = [
        f"{name}: {key} lies below the entropy"
        for name, result in results.items()
        for key, costs in result["per_sentence"].items()
        if below(costs, truth)
    ]
    missing = [f"{name}: no result" for name in presets if name not in results]
    return failed + missing


def ptb(args):
    from tfvae.training import RunConfiguration

    paths = {s: os.path.join(args.data, f"{s}.txt") for s in ("train", "valid", "test")}

    def make_configuration(name):
        return RunConfiguration(
            name,
            paths["train"],
            setting=args.setting,
            valid=paths["valid"],
            steps=args.steps,
            scale_schedules=True,
            overrides=PTB_OPTIONS.get(name, {}),
        )

    presets = args.presets or PTB_PRESETS
    results = run_all(
        presets, make_configuration, args.out, paths["test"], args.samples
    )
    times = os.path.join(args.out, "step_times.json")
    if not os.path.exists(times):
        import_tensorflow()
        write_json(times, step_times(presets, args.setting))
    with open(times, encoding="utf-8") as file:
        milliseconds = json.load(file)
    relative = {
        name: milliseconds[name] / milliseconds["vae"]
        for name in results
        if name in milliseconds and "vae" in milliseconds
    }
    print(table(results, {"step, relative": relative}))
    print(f"\nMilliseconds a step: {milliseconds}")
    return [f"{name}: no result" for name in presets if name not in results]


def step_times(presets, setting, batch_size=32, num_words=23, rounds=7, steps=6):
    """Times training steps of presets in turn; medians in milliseconds.

    The batches hold random words: time depends on their shape alone.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    from tfvae.presets import ModelBuilder, get_preset

    vocabulary_size = 10000
    draw = np.random.default_rng(0).integers
    tokens = draw(4, vocabulary_size, (steps * batch_size, num_words), "int32")
    dataset = tf.data.Dataset.from_tensor_slices({"tokens": tokens}).batch(batch_size)
    models = {}
    for name in presets:
        keras.utils.set_random_seed(0)
        builder = ModelBuilder(
            setting, vocabulary_size=vocabulary_size, steps_per_epoch=1000
        )
        models[name] = get_preset(name)(builder, **PTB_OPTIONS.get(name, {}))
        models[name].fit(dataset, epochs=2, verbose=0)
    seconds = {name: [] for name in presets}
    for _, name in itertools.product(range(rounds), presets):
        started = time.perf_counter()
        models[name].fit(dataset, verbose=0)
        seconds[name].append((time.perf_counter() - started) / steps)
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_grammar = kinds.add_parser("grammar")
    of_grammar.add_argument("--epochs", type=int, default=8)
    of_grammar.set_defaults(out=os.path.join("runs", "reproduce", "grammar"))
    of_ptb = kinds.add_parser("ptb")
    of_ptb.add_argument("--data", required=True, metavar="DIR")
    of_ptb.add_argument("--setting", default="coupled")
    of_ptb.add_argument("--steps", type=int, default=6000, help="of each run (6000)")
    of_ptb.add_argument("--samples", type=int, default=100, help="for the nll (100)")
    of_ptb.set_defaults(out=os.path.join("runs", "reproduce", "ptb"))
    for each in (of_grammar, of_ptb):
        each.add_argument("--out", metavar="DIR", help="folder of the runs")
        each.add_argument("--presets", nargs="+", metavar="NAME")
    kinds.add_parser("one")
    args = parser.parse_args()
    if args.kind == "one":
        return one(json.load(sys.stdin))
    os.makedirs(args.out, exist_ok=True)
    failed = {"grammar": grammar, "ptb": ptb}[args.kind](args)
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
