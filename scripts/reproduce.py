"""Trains and measures rows of the tables of docs/results.md.

    scripts/reproduce.py grammar [--rows NAME ...] [--budget N] [--seeds N] [--jobs N]
    scripts/reproduce.py pairs [--rows NAME ...] [--budget N] [--seeds N] [--jobs N]
    scripts/reproduce.py style [--rows NAME ...] [--budget N] [--seeds N] [--jobs N]
    scripts/reproduce.py ptb --data DIR [--rows NAME ...] [--budget N] [--samples N]
    scripts/reproduce.py dialogue --data DIR [--rows NAME ...] [--budget N]
    scripts/reproduce.py yelp --data DIR [--rows NAME ...] [--epochs N]

`grammar` takes every preset on a corpus whose entropy is known, `pairs` conditional
ones on answers to questions, whose entropy given the question is known; both exit with
an error if a bound of the likelihood lies below it. `style` takes the presets of style
transfer on the sentiments of the same corpus, whose transfer is known. `ptb` takes the
systems of the papers on the Penn Treebank (DIR holds train.txt, valid.txt and
test.txt), `dialogue` those that answer on DailyDialog (the same files, a dialogue a
line), `yelp` those of style transfer on sentiments of reviews (the same files, and
train.labels and so on with 0 for negative and 1 for positive). Each run lives in a
folder of its own under --out, and one that was interrupted goes on where it stopped.
What a row measured is written to one file of --results for each seed; what is there
already is not run again. `scripts/results.py` makes the pages of these files.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import time

from tfvae.cli.main import import_tensorflow

# Sizes at which a few thousand updates come near the entropy and remedies have room.
GRAMMAR_SIZES = {
    "embedding_dim": 32,
    "encoder_dim": 64,
    "decoder_dim": 64,
    "latent_dim": 16,
    # The same for all rows, or coupled forms alone would have a bridge.
    "bridge_dims": (64, 64),
    "input_dropout": 0.0,
    "output_dropout": 0.0,
    "learning_rate": 6e-3,
    "decay": "cosine",
    # PyTorch's, with which networks of this size learn faster.
    "weight_range": None,
}
GRAMMAR_TRAIN = 40_000
GRAMMAR_BATCH = 64
# What a row has beside its preset's defaults: sizes that belong to another network, and
# as much pretraining as training would be the half of a row's time.
GRAMMAR_OPTIONS = {
    # At the rate of the others one run in three never learned, and none of `ded`.
    "dae": {"learning_rate": 3e-3},
    "ded": {"learning_rate": 3e-3},
    # A refinement that does something: see docs/methods/sa_vae.md.
    "sa_vae": {"num_steps": 5, "refinement_rate": 0.3, "free_bits": 0.4},
    "prefb_vae": {"pretraining": 0.5},
    "coupled_prefb_vae": {"pretraining": 0.5},
    "cnn_vae": {"size": "small", "num_filters": 64},
    "coupled_cnn_vae": {"size": "small", "num_filters": 64},
}
# Rows of the table of answers beside the presets that need a context.
UNDER_A_CONDITION = [
    "beta_vae",
    "free_bits_vae",
    "bow_vae",
    "target_kl_vae",
    "copula_vae",
    "vmf_vae",
    "planar_vae",
    "mine_vae",
    "ivae",
    "ivae_mi",
    "wae_stochastic",
    "lagging_vae",
    "prefb_vae",
    "bn_vae",
    "skip_vae",
]
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
# What is trained on DailyDialog: preset, setting, turns of a context (the papers of the
# several turns have 10), decoder updates and options. Single turns as Wu et al. 2020;
# contexts alone as Bahuleyan et al. 2019, networks half as wide.
_HALF = {"encoder_dim": 250, "decoder_dim": 500, "embedding_dim": 150}
DIALOGUE_ROWS = {
    "seq2seq": ("seq2seq", "coupled", 1, 5000, {}),
    "cvae": ("cvae", "coupled", 1, 5000, {}),
    "coupled_cvae": ("coupled_cvae", "coupled", 1, 5000, {}),
    "ded": ("ded", "wae_dialogue", 1, 1000, _HALF),
    "ved": ("ved", "wae_dialogue", 1, 1000, _HALF),
    "wed_deterministic": ("wed_deterministic", "wae_dialogue", 1, 1000, _HALF),
    "wed_stochastic": ("wed_stochastic", "wae_dialogue", 1, 1000, _HALF),
    "cvae_turns": ("cvae", "dialogue", 3, 3000, {}),
    "dialogue_wae": ("dialogue_wae", "dialogue", 3, 3000, {}),
    "ivae_dialogue": ("ivae_dialogue", "dialogue", 3, 3000, {}),
}
WITHOUT_DENSITY = ("dialogue_wae", "ivae_dialogue")
# Style transfer needs codes that hold nearly all of a sentence: networks twice as wide,
# and weights that leave the autoencoder its way.
STYLE_SIZES = GRAMMAR_SIZES | {
    "embedding_dim": 64,
    "encoder_dim": 128,
    "decoder_dim": 128,
    "latent_dim": 64,
    "bridge_dims": (),
    "learning_rate": 3e-3,
}
_ADVERSARY = {
    "adversary_weight": 0.3,
    "adversary_learning_rate": 1e-3,
    "code_noise": 0.02,
    "num_critic_steps": 1,
    # One decoder that reads the label costs a third of three.
    "decoder_per_label": False,
}
STYLE_OPTIONS = {
    "vae_transfer": {},
    "dae_transfer": {},
    "ivae_transfer": _ADVERSARY | {"beta": 0.05, "noise_dim": 8},
    "arae": _ADVERSARY | {"distance_weight": 0.3},
}
# Style transfer on Yelp: setting *style*, but Adam, half the noise, and weights with
# which codes hold something after ten epochs of a fifth of the papers' sentences.
YELP_SIZES = {"optimizer": "adam", "learning_rate": 2e-3, "decay": "cosine"}
_REVIEWS = {"code_noise": 0.05, "adversary_weight": 3.0}
YELP_OPTIONS = {
    "arae": _REVIEWS | {"distance_weight": 1.0},
    "ivae_transfer": _REVIEWS | {"beta": 0.05, "noise_dim": 8},
}
YELP_NAMES = ("0=negative", "1=positive")
# Sentences and contexts that were written for the page of results, and are in no data.
REVIEWS = os.path.join("docs", "results", "reviews.tsv")
CONTEXTS = os.path.join("docs", "results", "contexts.jsonl")
# Contexts of which the page shows responses, and how many.
NUM_CONTEXTS = 10
NUM_RESPONSES = 5
# What is known of each kind of row.
TRUTHS = {"grammar": "sentences", "pairs": "answers", "style": "sentiment"}
# Answers of the agreement with the grammar, by sampled words.
NUM_ANSWERS = 10
# Differences of paired means count when they exceed this many standard errors.
NUM_ERRORS = 4.0


def run_row(job):
    """Trains and measures one row for one seed, and writes its file."""
    import keras
    import tensorflow as tf
    import tensorflow_probability as tfp

    import tfvae
    from tfvae.training import RunConfiguration, RunFolder, train
    from tfvae.training.callbacks import LatentMetrics

    configuration = RunConfiguration(**job["configuration"])
    started = time.time()
    # A folder without a whole epoch has nothing to resume, but its configuration.
    resume = os.path.exists(RunFolder(job["folder"]).configuration)
    run = train(
        configuration,
        job["folder"],
        resume=resume,
        verbose=0,
        callbacks=[
            LatentMetrics(lambda m: configuration.validation_batches(m.tokenizer))
        ],
    )
    seconds = time.time() - started
    state = run.load_state()
    model = run.load_model()
    measured = {"metrics": measure(model, configuration, job)}
    if job["unseen"]:
        batches = configuration.batches(job["unseen"], model.tokenizer, shuffle=False)
        measured["metrics_unseen"] = answers(model, batches, configuration)
    row = {
        "row": job["row"],
        "seed": configuration.seed,
        "command": job["command"],
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            "tfvae": tfvae.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "tensorflow_probability": tfp.__version__,
        },
        "steps": int(keras.models.load_model(run.last).step),
        "epochs": state["epoch"],
        "best_epoch": state["best_epoch"],
        "monitor": model.monitor,
        "train_seconds": None if resume else round(seconds, 1),
        "configuration": dataclasses.asdict(configuration),
        **measured,
    }
    if job["shown"]:
        show = responses if configuration.context_column else transferred
        each = show(model, job["shown"], configuration)
        row["shown"] = list(zip(*each, strict=True))
    # The text's path is this machine's, its role is not.
    row["configuration"].update(train="train.txt", valid="valid.txt")
    write_json(job["result"], row)


def measure(model, configuration, job):
    """Measures a model on the test split; returns its metrics."""
    from tfvae.evaluation import evaluate

    path = job["test"]
    batches = configuration.batches(path, model.tokenizer, shuffle=False)
    metrics = evaluate(
        model,
        batches,
        num_samples=job["num_samples"],
        exchanged_codes=job["exchanged_codes"],
        # In the order of the file, to be paired with the truth; else by length, which
        # pads less.
        per_sentence=bool(job["truth"]),
    )
    sentences = metrics.pop("per_sentence", {})
    if "label" in model.requires:
        metrics |= transfers(model, batches, configuration)
        if job["truth"] == "sentiment":
            metrics |= exact_transfers(model, configuration, path)
        return metrics
    if model.requires:
        metrics |= answers(model, batches, configuration)
    if job["truth"] == "answers":
        metrics |= agreement(model, path)
    if job["truth"]:
        metrics["entropy"], truth = true_costs(job["truth"], path)
        metrics["entropy_of_sentences"] = float(truth.mean())
        for name in ("nelbo", "nll"):
            if name in sentences:
                above = sentences[name].astype("float64") - truth
                metrics[f"{name}_above_entropy"] = float(above.mean())
                error = above.std(ddof=1) / math.sqrt(len(above))
                metrics[f"{name}_above_entropy_se"] = float(error)
    return metrics


def answers(model, batches, configuration):
    """Measures responses to the contexts of a text."""
    from tfvae.evaluation import evaluate
    from tfvae.text import read_texts

    return evaluate(
        model,
        batches,
        groups=["responses"],
        train_texts=lambda: read_texts(configuration.train),
    )


def agreement(model, path):
    """Answers questions of the grammar by sampled words, and parses the answers."""
    from tfvae.text import default_grammar, read_columns

    asked = [row["context"] for row in read_columns(path, ["context"])]
    answers = model.respond(asked, num=NUM_ANSWERS)
    return default_grammar().answer_agreement(asked, answers)


def transfers(model, batches, configuration):
    """Measures transfers of style by what can be measured on any text."""
    from tfvae.evaluation import evaluate
    from tfvae.text.readers import read_records

    column = {"label_column": configuration.label_column}
    return evaluate(
        model,
        batches,
        groups=["transfer"],
        train_texts=lambda: (r for _, r in read_records(configuration.train, **column)),
    )


def exact_transfers(model, configuration, path):
    """Transfers sentiments on the grammar, and parses what became of them."""
    from tfvae.evaluation.transfer import measure_grammar_transfer
    from tfvae.text import ATTRIBUTES

    texts, targets, written = transferred(model, path, configuration)
    # The corpus has the places of sentiments for labels.
    names = [ATTRIBUTES["sentiment"][int(target)] for target in targets]
    exact = measure_grammar_transfer(texts, written, names)
    return {f"grammar_{key}": value for key, value in exact.items()}


def responses(model, path, configuration):
    """Answers the first contexts of a table by sampled words.

    Returns:
        Tuple of the contexts, as they are read, and lists of responses.
    """
    from tfvae.text.readers import read_records

    contexts = []
    for _, record in itertools.islice(
        read_records(path, None, context_column="context"), NUM_CONTEXTS
    ):
        turns, most = record["context"], configuration.max_turns
        turns = [turns] if isinstance(turns, str) else turns
        contexts.append(turns[-most:] if most else turns[-1])
    return contexts, model.respond(contexts, num=NUM_RESPONSES)


def transferred(model, path, configuration):
    """Writes the sentences of a table with every other label, greedily.

    Returns:
        Tuple of the sentences, the labels they were to get and the outputs, lists of
        str.
    """
    from tfvae.text.readers import read_records

    rows = [
        (record["text"], target)
        for _, record in read_records(path, label_column=configuration.label_column)
        for target in model.label_names
        if target != record["label"]
    ]
    texts, targets = map(list, zip(*rows, strict=True))
    return texts, targets, model.transfer(texts, targets)


def true_costs(kind, path):
    """Computes what the best model would have on sentences of the grammar.

    Args:
        kind: `"sentences"`, or `"answers"` given their questions.
        path: Str, the sentences; of answers a table.

    Returns:
        Tuple of the entropy in nats and the cost of each sentence, `[N]`.
    """
    import numpy as np

    from tfvae.text import default_grammar, read_columns, read_lines

    grammar = default_grammar()
    if kind == "sentences":
        texts = read_lines(path)
        return grammar.entropy(), -np.array([grammar.log_prob(each) for each in texts])
    rows = read_columns(path, ["context", "text"])
    truth = -np.array([grammar.pair_log_prob(**row) for row in rows])
    return grammar.pair_entropy(), truth


def _commit():
    """Returns the commit of the working tree, with a + where it was changed."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True
    )
    return found.stdout.strip() or None


def write_json(path, content):
    """Writes a file that is there whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
    os.replace(path + ".partial", path)


def run_all(jobs, num_jobs):
    """Runs each job in a process of its own, some side by side.

    Returns:
        List of str, what failed.
    """
    waiting = [job for job in jobs if not os.path.exists(job["result"])]
    running, failed = [], []
    while waiting or running:
        while waiting and len(running) < num_jobs:
            job = waiting.pop(0)
            print(f"== {job['row']}, seed {job['configuration']['seed']}", flush=True)
            environment = dict(os.environ)
            if num_jobs > 1:
                # Rows side by side on cores of their own.
                one = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
                environment |= dict.fromkeys([*one, "OMP_NUM_THREADS"], "1")
            process = subprocess.Popen(
                [sys.executable, __file__, "row", json.dumps(job)], env=environment
            )
            running.append((process, job))
        time.sleep(0.2)
        for process, job in list(running):
            if process.poll() is None:
                continue
            running.remove((process, job))
            if process.returncode:
                seed = job["configuration"]["seed"]
                failed.append(f"{job['row']}, seed {seed}: {process.returncode}")
    return failed


def grammar(args):
    """Runs the grammar's sentences, answers (`"pairs"`) or sentiments (`"style"`)."""
    from tfvae.presets import PRESETS
    from tfvae.text import write_corpus

    corpus = os.path.join(args.out, "corpus")
    if not os.path.exists(corpus):
        write_corpus(corpus, num_train=GRAMMAR_TRAIN)
    suffix = {"pairs": "_pairs.tsv", "style": ".tsv"}.get(args.kind, ".txt")
    paths = {
        split: os.path.join(corpus, split + suffix)
        for split in ("train", "valid", "test")
    }
    presets = [
        name
        for name, preset in PRESETS.items()
        if preset.needs_context == (args.kind == "pairs") and not preset.needs_label
    ]
    if args.kind == "pairs":
        presets += UNDER_A_CONDITION
    if args.kind == "style":
        presets = list(STYLE_OPTIONS)
    jobs = []
    for seed in range(args.seeds):
        for name in args.rows or presets:
            configuration = {
                "preset": name,
                "train": paths["train"],
                "valid": paths["valid"],
                "steps": args.budget,
                "batch_size": GRAMMAR_BATCH,
                "scale_schedules": True,
                "seed": seed,
                "overrides": GRAMMAR_SIZES | GRAMMAR_OPTIONS.get(name, {}),
            }
            if args.kind == "pairs":
                configuration["context_column"] = "context"
            if args.kind == "style":
                configuration["label_column"] = "sentiment"
                configuration["overrides"] = STYLE_SIZES | STYLE_OPTIONS[name]
            command = f"scripts/reproduce.py {args.kind} --rows {name}"
            command += f" --budget {args.budget} --seeds {args.seeds}"
            shown = paths["test"] if args.kind == "pairs" else None
            job = _job(args, name, configuration, command, paths, 100)
            jobs.append(job | {"shown": shown})
    failed = run_all(jobs, args.jobs)
    for job in jobs:
        if os.path.exists(job["result"]):
            with open(job["result"], encoding="utf-8") as file:
                metrics = json.load(file)["metrics"]
            failed += [f"{job['row']}: {line}" for line in below(metrics)]
    return failed


def below(metrics):
    """Returns which bounds lie below the truth beyond sampling error."""
    return [
        f"{name} lies below the entropy"
        for name in ("nelbo", "nll")
        if metrics.get(f"{name}_above_entropy", 0.0)
        < -NUM_ERRORS * metrics.get(f"{name}_above_entropy_se", 0.0)
    ]


def ptb(args):
    paths = {s: os.path.join(args.data, f"{s}.txt") for s in ("train", "valid", "test")}
    jobs = []
    for name in args.rows or PTB_PRESETS:
        configuration = {
            "preset": name,
            "train": paths["train"],
            "valid": paths["valid"],
            "setting": args.setting,
            "steps": args.budget,
            "scale_schedules": True,
            "seed": 0,
            "overrides": PTB_OPTIONS.get(name, {}),
        }
        command = f"scripts/reproduce.py ptb --data DIR --rows {name} --setting "
        command += f"{args.setting} --budget {args.budget} --samples {args.samples}"
        jobs.append(_job(args, name, configuration, command, paths, args.samples))
    return run_all(jobs, args.jobs)


def dialogue(args):
    jobs = []
    for name in args.rows or DIALOGUE_ROWS:
        preset, setting, turns, steps, options = DIALOGUE_ROWS[name]
        paths = prepared(args.data, os.path.join(args.out, f"turns-{turns}"), turns)
        configuration = {
            "preset": preset,
            "train": paths["train"],
            "valid": paths["valid"],
            "setting": setting,
            "steps": args.budget or steps,
            "context_column": "context",
            "max_turns": None if turns == 1 else turns,
            "max_context_length": 40,
            "max_length": 40 if setting == "coupled" else None,
            "too_long": "truncate",
            "scale_schedules": True,
            "seed": 0,
            "overrides": options,
        }
        command = f"scripts/reproduce.py dialogue --data DIR --rows {name}"
        command += f" --samples {args.samples}"
        command += f" --budget {args.budget}" if args.budget else ""
        samples = args.samples
        if name in WITHOUT_DENSITY:
            # `evaluate` takes ten times as many of such a prior.
            samples = max(samples // 10, 1)
        job = _job(args, name, configuration, command, paths, samples)
        jobs.append(job | {"unseen": paths["unseen"], "shown": CONTEXTS})
    return run_all(jobs, args.jobs)


def prepared(data, folder, turns):
    """Writes the rows of dialogues where they are missing; returns their paths.

    `unseen` is the test split without what training has, as Bahuleyan et al. 2019.
    """
    options = ["--max-turns", str(turns)]
    paths = {
        split: _table(folder, split, "dialogues", f"{data}/{split}.txt", *options)
        for split in ("train", "valid", "test")
    }
    options += ["--seen", paths["train"], "--drop", "either"]
    unseen = _table(folder, "unseen", "dialogues", f"{data}/test.txt", *options)
    return paths | {"unseen": unseen}


def _table(folder, name, kind, *arguments):
    """Writes a table by `prepare_data.py` where it is missing; returns its path."""
    path = os.path.join(folder, f"{name}.jsonl")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        script = os.path.join(os.path.dirname(__file__), "prepare_data.py")
        command = [sys.executable, script, kind, *arguments, "--out", path]
        subprocess.run(command, check=True)
    return path


def yelp(args):
    folder, paths = os.path.join(args.out, "labelled"), {}
    for split in ("train", "valid", "test"):
        source = os.path.join(args.data, split)
        options = ["--labels", f"{source}.labels", "--names", *YELP_NAMES]
        paths[split] = _table(folder, split, "labels", f"{source}.txt", *options)
    jobs = []
    for name in args.rows or YELP_OPTIONS:
        configuration = {
            "preset": name,
            "train": paths["train"],
            "valid": paths["valid"],
            "setting": "style",
            "epochs": args.epochs,
            "label_column": "label",
            "scale_schedules": True,
            "seed": 0,
            "overrides": YELP_SIZES | YELP_OPTIONS[name],
        }
        command = f"scripts/reproduce.py yelp --data DIR --rows {name} "
        command += f"--epochs {args.epochs}"
        # Without the nll, which no table shows and whose samples of the prior are many.
        job = _job(args, name, configuration, command, paths, 0)
        jobs.append(job | {"shown": REVIEWS})
    return run_all(jobs, args.jobs)


def _job(args, name, configuration, command, paths, num_samples):
    row = f"{name}-{configuration['seed']}"
    return {
        "row": name,
        "configuration": configuration,
        "command": command,
        "folder": os.path.join(args.out, row),
        "result": os.path.join(args.results, args.kind, f"{row}.json"),
        "test": paths["test"],
        # Texts whose responses are measured besides, and of which some are shown.
        "unseen": None,
        "shown": None,
        "num_samples": num_samples,
        # As many as a latent's gain takes, of texts with a large vocabulary.
        "exchanged_codes": 2 if args.kind == "dialogue" else 32,
        "truth": TRUTHS.get(args.kind),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_grammar, of_pairs, of_style = map(kinds.add_parser, TRUTHS)
    for each in (of_grammar, of_pairs, of_style):
        each.add_argument(
            "--budget", type=int, default=4000, help="decoder updates of a row"
        )
        each.add_argument("--seeds", type=int, default=3, help="runs of a row (3)")
    of_grammar.set_defaults(out=os.path.join("runs", "reproduce", "grammar"))
    of_pairs.set_defaults(out=os.path.join("runs", "reproduce", "pairs"), budget=8000)
    of_style.set_defaults(
        out=os.path.join("runs", "reproduce", "style"), budget=10000, seeds=1
    )
    of_ptb = kinds.add_parser("ptb")
    of_ptb.add_argument("--data", required=True, metavar="DIR")
    of_ptb.add_argument("--setting", default="coupled")
    of_ptb.add_argument("--budget", type=int, default=6000, help="decoder updates")
    of_ptb.add_argument("--samples", type=int, default=100, help="for the nll (100)")
    of_ptb.set_defaults(out=os.path.join("runs", "reproduce", "ptb"))
    of_dialogue = kinds.add_parser("dialogue")
    of_dialogue.add_argument("--data", required=True, metavar="DIR")
    of_dialogue.add_argument(
        "--budget", type=int, help="decoder updates of a row (1000 to 5000, by row)"
    )
    of_dialogue.add_argument("--samples", type=int, default=20, help="for the nll (20)")
    of_dialogue.set_defaults(out=os.path.join("runs", "reproduce", "dialogue"))
    of_yelp = kinds.add_parser("yelp")
    of_yelp.add_argument("--data", required=True, metavar="DIR")
    of_yelp.add_argument("--epochs", type=int, default=10, help="epochs (10)")
    of_yelp.set_defaults(out=os.path.join("runs", "reproduce", "yelp"))
    for each in (of_grammar, of_pairs, of_style, of_ptb, of_dialogue, of_yelp):
        each.add_argument("--out", metavar="DIR", help="folder of the runs")
        each.add_argument("--rows", nargs="+", metavar="NAME", help="presets (all)")
        each.add_argument("--jobs", type=int, default=1, help="rows side by side (1)")
        each.add_argument(
            "--results", default=os.path.join("docs", "results"), metavar="DIR"
        )
    of_row = kinds.add_parser("row")
    of_row.add_argument("job", type=json.loads)
    args = parser.parse_args()
    import_tensorflow()
    if args.kind == "row":
        run_row(args.job)
        return 0
    os.makedirs(args.out, exist_ok=True)
    run = {"ptb": ptb, "dialogue": dialogue, "yelp": yelp}.get(args.kind, grammar)
    failed = run(args)
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
