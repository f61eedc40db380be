"""Posterior collapse and a remedy, side by side on a corpus of known entropy."""

import argparse
import itertools
import multiprocessing
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor

from reproduce import GRAMMAR_BATCH, GRAMMAR_SIZES

from tfvae.cli.main import import_tensorflow

RUNS = {
    "vae": "vae",
    "remedy": "bow_vae",
}
SHOWN = {
    "reconstruction": "reconstruction: nats for a sentence, given its code",
    "kl": "KL: nats that its code costs",
    "nelbo": "negative ELBO: their sum, a bound",
    "nll": "NLL, importance weighted",
    "mi": "mutual information of sentence and code",
    "latent_gain": "latent gain: what another sentence's code costs",
}


def say(text):
    print(f"\n== {text}", flush=True)


def start_on_one_core():
    one = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    os.environ.update(dict.fromkeys(one, "1"))
    import_tensorflow()


def train_one(configuration, folder):
    """Trains a model; returns its run folder's path and the seconds it took."""
    from tfvae.training import train

    begun = time.time()
    return train(configuration, folder, verbose=0).path, time.time() - begun


def train_side_by_side(configurations, folder):
    """Trains models, each on a core: at these sizes a second is of little use.

    Returns:
        Dict of a name's path and seconds.
    """
    with ProcessPoolExecutor(
        len(configurations),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_on_one_core,
    ) as pool:
        trained = {
            name: pool.submit(train_one, each, os.path.join(folder, name))
            for name, each in configurations.items()
        }
        return {name: each.result() for name, each in trained.items()}


def tour(folder, steps):
    import_tensorflow()
    from tfvae.evaluation import evaluate
    from tfvae.text import default_grammar, read_lines, write_corpus
    from tfvae.training import RunConfiguration, RunFolder

    started = time.time()
    grammar = default_grammar()
    corpus = os.path.join(folder, "corpus")
    say("A corpus from a probabilistic grammar: its entropy is known")
    write_corpus(corpus, num_train=20_000)
    train_text, valid_text, test_text = (
        os.path.join(corpus, f"{split}.txt") for split in ("train", "valid", "test")
    )
    for text in itertools.islice(read_lines(train_text), 3):
        print(f"  {text}")
    own = [-grammar.log_prob(text) for text in read_lines(test_text)]
    truth = sum(own) / len(own)
    print(f"Entropy of the test sentences: {truth:.2f} nats each. No NLL is lower.")

    configurations = {
        name: RunConfiguration(
            preset=preset,
            train=train_text,
            valid=valid_text,
            steps=steps,
            batch_size=GRAMMAR_BATCH,
            scale_schedules=True,
            overrides=GRAMMAR_SIZES,
        )
        for name, preset in RUNS.items()
    }
    say(f"Training {' and '.join(RUNS.values())} side by side, {steps} steps each")
    trained = train_side_by_side(configurations, folder)

    first = list(itertools.islice(read_lines(test_text), 4))
    results, written, paths = {}, {}, {}
    for name, configuration in configurations.items():
        paths[name], seconds = trained[name]
        print(f"  {RUNS[name]}: {seconds:.0f} s")
        model = RunFolder(paths[name]).load_model()
        batches = configuration.batches(test_text, model.tokenizer, shuffle=False)
        results[name] = evaluate(model, batches, num_samples=20)
        written[name] = model.reconstruct(first)

    say("What the code is worth, on sentences that neither has seen")
    print(f"{'':56}{'vae':>8}{'remedy':>9}")
    for key, label in SHOWN.items():
        cells = [results[name][key] + 0.0 for name in RUNS]
        print(f"{label:56}{cells[0]:8.2f}{cells[1]:9.2f}")
    print(f"{'entropy of these sentences':56}{truth:8.2f}{truth:9.2f}")

    say("The same sentences, written again from their codes")
    for index, text in enumerate(first):
        print(f"  sentence  {text}")
        for name in RUNS:
            print(f"  {name:9} {written[name][index]}")
        print()
    print(
        "The plain VAE's decoder needs no code to predict the next word, so the KL\n"
        "falls to 0 and every sentence is decoded to the same one: the posterior has\n"
        "collapsed. Its likelihood does not show it; the latent gain does. The\n"
        "remedy, a loss by which the code must also predict the words in any order,\n"
        "keeps what the sentence said. docs/which-remedy.md leads to the others."
    )

    say(f"Done in {time.time() - started:.0f} s. Next:")
    tfvae = os.path.join(".venv", "bin", "tfvae")
    path = paths["remedy"]
    print(f"  {tfvae} evaluate {path} --data {test_text}")
    print(f"  {tfvae} generate {path} --num 10 --seed 2")
    print(f'  {tfvae} interpolate {path} "{first[0]}" "{first[1]}"')
    print(f"  {tfvae} report {' '.join(paths.values())} --out runs/demo/report.html")
    print(f"  {tfvae} train vae --train YOUR.txt --valid YOURS.txt --out runs/mine")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=os.path.join("runs", "demo"))
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    # The demo's own folder; a run of the user's is never replaced.
    if args.out == parser.get_default("out"):
        shutil.rmtree(args.out, ignore_errors=True)
    elif os.path.exists(args.out):
        parser.error(f"{args.out} exists; choose another folder")
    tour(args.out, args.steps)
