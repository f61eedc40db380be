"""`tfvae evaluate`: measure a trained model on a text."""

import sys
import textwrap

from tfvae.cli.output import add_json, show

HELP = "measure a trained model on a text"
DESCRIPTION = """\
Measure the best model of a run on a text: likelihood and its bound, KL, mutual
information by three estimators, active units. Footnotes say what each figure means.
The tokenizer and the longest sentence are those of the run.

example:
  tfvae evaluate runs/vae --data test.txt --samples 100 --json runs/vae/test.json
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--data", required=True, metavar="FILE", help="text to measure")
    parser.add_argument("--column", help="of .tsv and .jsonl files (the run's)")
    parser.add_argument(
        "--samples",
        type=int,
        default=100,
        metavar="N",
        help="posterior samples a sentence for the importance-weighted nll; 0 leaves "
        "it out (default: 100)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="sentences (32)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--short", action="store_true", help="leave out the definitions"
    )
    add_json(parser)


def run(args):
    """Runs the command."""
    import keras

    from tfvae.evaluation import DEFINITIONS, evaluate, format_table
    from tfvae.text import read_texts
    from tfvae.training import RunFolder
    from tfvae.training.train import batches_of

    if args.samples < 0:
        raise ValueError(f"--samples must not be negative. Received: {args.samples}")
    if args.batch_size < 1:
        raise ValueError(f"--batch-size must be positive. Received: {args.batch_size}")
    folder = RunFolder(args.run_folder)
    recipe = folder.load_recipe()
    model = folder.load_model()
    batches = batches_of(
        lambda: read_texts(args.data, args.column or recipe.column),
        model.tokenizer,
        recipe,
        shuffle=False,
        batch_size=args.batch_size,
    )
    progress = None
    if sys.stdout.isatty() and args.json != "-":
        progress = keras.utils.Progbar(batches.num_batches(), unit_name="batch")
    result = evaluate(
        model,
        batches.dataset(),
        num_samples=args.samples,
        seed=args.seed,
        progress=progress,
    )
    notes = [
        textwrap.fill(f"{key}: {DEFINITIONS[key]}", 88, subsequent_indent="  ")
        for key in result
        if key in DEFINITIONS and not args.short
    ]
    show(args, result, "\n".join([format_table(result), *notes]))
