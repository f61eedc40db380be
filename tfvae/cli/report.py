"""`tfvae report`: one HTML page about runs."""

import sys

from tfvae.cli.options import (
    Command,
    add_evaluation,
    add_number,
    check_least,
    check_outputs,
    counts_of,
    progress_bar,
    show,
    writing_to,
)
from tfvae.cli.reading import add_column, add_limits, check_data_options, columns_of


def _add_arguments(parser):
    parser.add_argument(
        "run_folders", nargs="+", metavar="DIR", help="folders of `tfvae train`"
    )
    parser.add_argument(
        "--out", default="report.html", metavar="FILE", help="(default: report.html)"
    )
    parser.add_argument("--data", metavar="FILE", help="sentences to measure and show")
    add_column(parser, "the first run's")
    add_limits(parser, ("error", "truncate"))
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--labels", metavar="FILE", help="labels of the sentences, one a line"
    )
    which.add_argument(
        "--label-column", metavar="NAME", help="column of --data with the labels"
    )
    parser.add_argument(
        "--metrics",
        "--measures",
        metavar="GROUP,...",
        help="groups of `tfvae evaluate` to measure on --data, all, or none (default: "
        "likelihood and latent, and responses, of runs that keep no metrics)",
    )
    add_number(
        parser,
        "--num-drawn",
        "sentences, chosen at random, in the pictures of the latent space (1000)",
        1000,
    )
    add_number(parser, "--num-read", "sentences to read (6)", 6)
    add_evaluation(parser)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the metrics of all runs as JSON; - for standard output",
    )


def _run(args):
    from tfvae.reporting import check_extra, collect_runs, read_labelled, render
    from tfvae.training import RunFolder

    check_extra()
    _check(args)
    configurations = [RunFolder(path).load_configuration() for path in args.run_folders]
    data = None
    if args.data is not None:
        data = read_labelled(
            args.data,
            **columns_of(args, configurations[0]),
            labels=args.labels,
            label_column=args.label_column or _first(configurations, "label_column"),
            context_column=_first(configurations, "context_column"),
        )
    groups = args.metrics
    if groups not in (None, "all", "none"):
        groups = groups.split(",")
    on_terminal = sys.stderr.isatty()
    records = collect_runs(
        args.run_folders,
        data,
        groups=groups,
        **counts_of(args),
        num_drawn=args.num_drawn,
        num_read=args.num_read,
        batch_size=args.batch_size,
        seed=args.seed,
        max_length=args.max_length,
        too_long=args.too_long,
        progress=progress_bar if on_terminal else None,
        log=_log if on_terminal else None,
    )
    page = render(records, data)
    with writing_to(args.out) as file:
        file.write(page)
    show(args, _metrics(records), f"{args.out}: written; open it in a browser")


def _first(configurations, name):
    """Returns what the first run that has such a column calls it, or `None`."""
    found = (getattr(configuration, name) for configuration in configurations)
    return next((column for column in found if column is not None), None)


def _check(args):
    """Refuses what would be found out only after the work."""
    if args.data is None and (args.labels or args.label_column):
        raise ValueError("Labels are of the sentences of --data. Give --data FILE too.")
    check_data_options(args, "max_length", "too_long")
    positive = ("num_generated", "num_responses", "num_drawn", "num_read")
    check_least(args, 1, *positive, "batch_size", "max_length")
    check_least(args, 0, "samples", "seed")
    check_outputs(args, "out", "json")


def _metrics(records):
    """Returns the metrics of one run as `tfvae evaluate` does, of several by name."""
    found = {
        record.name: dict(result.metrics)
        for record in records
        for result in record.results
    }
    return next(iter(found.values()), {}) if len(records) == 1 else found


def _log(line):
    print(line, file=sys.stderr)


REPORT = Command(
    "write one HTML page about one or several runs",
    """\
Write one HTML page about runs, side by side: metrics with their definitions, curves of
training, the plane of KL and reconstruction, pictures of the latent space, sentences to
read and how each run was made. The page is a single file that needs no network. Needs
the extra tfvae[report].

Metrics are those that `tfvae evaluate --json` has left in a run's folder. With --data,
runs that have none are measured (--metrics: all runs, those groups), the latent space
is pictured and sentences are reconstructed; conditional runs answer the contexts of
--data. Nothing in a run's folder is changed.

examples:
  tfvae report runs/vae
  tfvae report runs/vae runs/lm --data test.txt --out compared.html
  tfvae report runs/vae --data test.tsv --label-column topic --json runs/vae/test.json
""",
    _add_arguments,
    _run,
)
