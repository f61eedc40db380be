"""`tfvae tune`: search the weights of a preset."""

import os

from tfvae.cli.options import Command, add_number
from tfvae.cli.train import (
    add_configuration,
    command_to_write,
    make_configuration,
    parse_overrides,
)


def _add_arguments(parser):
    parser.add_argument("preset", help="see `tfvae presets`")
    parser.add_argument("--train", required=True, metavar="FILE", help="training text")
    parser.add_argument(
        "--valid", required=True, metavar="FILE", help="text that trials are judged by"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="search's folder")
    parser.add_argument(
        "--search",
        nargs="+",
        default=[],
        action="extend",
        metavar="KEY[=VALUES]",
        help="what to search (default: the preset's weights)",
    )
    parser.add_argument(
        "--tuner",
        default="random",
        metavar="NAME",
        help="random, grid, hyperband or bayesian, which needs the extra "
        "tfvae[bayesian] (default: random)",
    )
    add_number(
        parser,
        "--trials",
        "most trials (default: 10; the whole grid; one round of hyperband)",
    )
    parser.add_argument(
        "--objective",
        metavar="METRIC",
        help="what to minimise: val_loss, val_nll (importance weighted), a trade "
        'such as "nll - 0.5 * mi", or "1 - transfer_joint" (default: what training '
        "watches)",
    )
    add_number(
        parser,
        "--samples",
        "posterior samples per sentence of the metrics (default: 10)",
        10,
    )
    add_number(
        parser,
        "--workers",
        "processes that run trials side by side (default: this one alone)",
        0,
    )
    add_configuration(parser)
    parser.add_argument(
        "--quiet", action="store_true", help="a line a trial instead of every epoch's"
    )


def _run(args):
    from tfvae.training import RunFolder
    from tfvae.tuning import Sweep, best_of, format_results, plot_results, tune

    sweep = Sweep(
        make_configuration(args, _searched(args)),
        search=tuple(args.search),
        tuner=args.tuner,
        objective=args.objective,
        trials=args.trials,
        num_samples=args.samples,
    )
    verbose = 0 if args.quiet else 2
    results = tune(
        sweep, args.out, workers=args.workers, verbose=verbose, report=_report
    )
    print(format_results(results))
    try:
        written = plot_results(results, os.path.join(args.out, "sweep"))
    except ImportError:
        written = []
        print("No plot: matplotlib is not installed. Install `tfvae[tune]`.")
    table = os.path.join(args.out, "table.csv")
    print(f"Written: {', '.join([table, *written])}")
    best = best_of(results)
    print("Next:")
    print(f"  tfvae evaluate {best['folder']} --data {args.valid}")
    print(f"  {command_to_write(RunFolder(best['folder']), args.valid)}")


def _searched(args):
    """Names what is searched, with which a run that trials start from has no say."""
    from tfvae.presets import get_preset
    from tfvae.tuning.search_space import default_space

    if args.search:
        return [word.partition("=")[0] for word in args.search]
    return list(default_space(get_preset(args.preset), parse_overrides(args.set)))


def _report(result):
    values = ", ".join(f"{name}={value}" for name, value in result["values"].items())
    score = f"{result['objective']} {result['score']:.3f}"
    print(f"trial {result['trial']}: {values}: {score}", flush=True)


TUNE = Command(
    "search the weights or sizes of a preset",
    """\
Train a preset with several values of its weights and compare them on a validation
text. Each trial is a run folder in DIR/trials, for `tfvae evaluate`, `generate` and
the others. The same command again continues a search that was interrupted: finished
trials are kept, failed ones tried again, and --trials may be raised.

  table.csv          one row a trial, also printed
  sweep.png, .svg    NLL, KL and mutual information over each value (needs the extra
                     tfvae[tune]); of models that transfer style, sweep-transfer.png
                     and .svg too: accuracy over content

--search takes names of options, alone for their declared range or with values or a
range: copula_weight  copula_weight=0,0.2,0.4  copula_weight=0:0.8
learning_rate=1e-4:1e-2:log. Without it the preset's weights are searched.

example:
  tfvae tune copula_vae --train train.txt --valid valid.txt --out sweeps/copula \\
    --tuner grid --search copula_weight=0,0.1,0.2,0.4,0.6,0.8 --epochs 10
  tfvae tune beta_vae --train train.txt --valid valid.txt --out sweeps/beta \\
    --trials 12 --objective "nll - 0.5 * mi" --epochs 10 --workers 2
""",
    _add_arguments,
    _run,
)
