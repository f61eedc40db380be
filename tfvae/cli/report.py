"""`tfvae report`: one HTML page about runs."""

import os
import sys

HELP = "write one HTML page about one or several runs"
DESCRIPTION = """\
Write one HTML page about runs, side by side: measures with their definitions, curves of
training, the plane of KL and reconstruction, pictures of the latent space, sentences to
read and how each run was made. The page is a single file that needs no network. Needs
the extra tfvae[report].

Measures are those that `tfvae evaluate --json` has left in a run's folder. With --data,
runs that have none are measured (--measures: all runs, those groups), and pictures of
the latent space and reconstructions are drawn. Nothing in a run's folder is changed.

examples:
  tfvae report runs/vae
  tfvae report runs/vae runs/lm --data test.txt --out compared.html
  tfvae report runs/vae --data test.tsv --label-column topic --json runs/vae/test.json
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument(
        "run_folders", nargs="+", metavar="DIR", help="folders of `tfvae train`"
    )
    parser.add_argument(
        "--out", default="report.html", metavar="FILE", help="(default: report.html)"
    )
    parser.add_argument("--data", metavar="FILE", help="sentences to measure and draw")
    parser.add_argument("--column", help="of .tsv and .jsonl files (the first run's)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--labels", metavar="FILE", help="labels of the sentences, one a line"
    )
    which.add_argument(
        "--label-column", metavar="NAME", help="column of --data with the labels"
    )
    parser.add_argument(
        "--measures",
        metavar="GROUP,...",
        help="groups of `tfvae evaluate` to measure on --data, all, or none (default: "
        "likelihood and latent, of runs that keep no measures)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=100,
        metavar="N",
        help="posterior samples a sentence for the likelihood (100)",
    )
    parser.add_argument(
        "--num-generated",
        type=int,
        default=100_000,
        metavar="N",
        help="sentences to draw for the measures of generation (100000)",
    )
    parser.add_argument(
        "--num-drawn",
        type=int,
        default=1000,
        metavar="N",
        help="sentences, chosen at random, in the pictures of the latent space (1000)",
    )
    parser.add_argument(
        "--num-read", type=int, default=6, metavar="N", help="sentences to read (6)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="sentences (32)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--json", metavar="FILE", help="also write the measures of all runs as JSON"
    )


def run(args):
    """Runs the command."""
    from tfvae.reporting import gather, read_labelled, render
    from tfvae.reporting.page import check_extra
    from tfvae.training import RunFolder

    check_extra()
    _check(args)
    recipes = [RunFolder(path).load_recipe() for path in args.run_folders]
    data = None
    if args.data is not None:
        data = read_labelled(
            args.data,
            args.column or recipes[0].column,
            labels=args.labels,
            label_column=args.label_column,
        )
    groups = args.measures
    if groups not in (None, "all", "none"):
        groups = groups.split(",")
    on_terminal = sys.stderr.isatty()
    records = gather(
        args.run_folders,
        data,
        groups=groups,
        num_samples=args.samples,
        num_generated=args.num_generated,
        num_drawn=args.num_drawn,
        num_read=args.num_read,
        batch_size=args.batch_size,
        seed=args.seed,
        progress=_bar if on_terminal else None,
        say=_say if on_terminal else None,
    )
    page = render(records, data)
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(page)
    if args.json:
        _write_measures(records, args.json)
    print(f"{args.out}: written; open it in a browser")


def _check(args):
    """Refuses what would be found out only after the work."""
    if args.data is None and (args.labels or args.label_column):
        raise ValueError("Labels are of the sentences of --data. Give --data FILE too.")
    for name in ("num_generated", "num_drawn", "num_read", "batch_size"):
        if getattr(args, name) < 1:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{option} must be positive. Received: {getattr(args, name)}"
            )
    if args.samples < 0:
        raise ValueError(f"--samples must not be negative. Received: {args.samples}")
    for option, path in (("--out", args.out), ("--json", args.json)):
        if path is None:
            continue
        if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or "."):
            raise ValueError(
                f"{option} must name a file in a folder that exists. Received: {path}"
            )


def _write_measures(records, path):
    """Writes the figures of one run as `tfvae evaluate` does, of several by name."""
    import json

    found = {
        record.name: dict(result.figures)
        for record in records
        for result in record.results
    }
    if len(records) == 1:
        found = next(iter(found.values()), {})
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
        file.write("\n")


def _say(line):
    print(line, file=sys.stderr)


def _bar(total, unit_name):
    import keras

    return keras.utils.Progbar(total, unit_name=unit_name)
