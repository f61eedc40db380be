"""`tfvae evaluate`: measure a trained model on a text."""

import os
import sys
import textwrap

from tfvae.cli.output import add_json, show

HELP = "measure a trained model on a text"
DESCRIPTION = """\
Measure the best model of a run on a text. Groups of measures:
  likelihood      likelihood and its bound, KL, perplexity
  latent          mutual information by three estimators, active units
  space           posterior scales, distance of the aggregated posterior from the prior
  reconstruction  BLEU, exact match and token error rate of sentences written again
  generation      forward and reverse perplexity, diversity and statistics of
                  sentences drawn from the prior
  dynamics        norms of gradients by the encoder's code
The first two are measured unless --measures says otherwise. Footnotes say what each
figure means. The tokenizer and the longest sentence are those of the run.

example:
  tfvae evaluate runs/vae --data test.txt --samples 100 --json runs/vae/test.json
  tfvae evaluate runs/vae --data test.txt --measures reconstruction,generation
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--data", required=True, metavar="FILE", help="text to measure")
    parser.add_argument("--column", help="of .tsv and .jsonl files (the run's)")
    parser.add_argument(
        "--measures",
        metavar="GROUP,...",
        help="groups of measures, separated by commas, or all",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=100,
        metavar="N",
        help="posterior samples a sentence for the importance-weighted nll; 0 leaves "
        "it out (default: 100)",
    )
    parser.add_argument(
        "--num-generated",
        type=int,
        default=100_000,
        metavar="N",
        help="sentences to draw for generation (default: 100000, the papers')",
    )
    parser.add_argument(
        "--train",
        metavar="FILE",
        help="text that the n-gram model of generation learns (the run's)",
    )
    parser.add_argument(
        "--language-model",
        metavar="DIR",
        help="run of the preset language_model that scores the sentences drawn",
    )
    parser.add_argument(
        "--kenlm",
        action="store_true",
        help="take KenLM's n-gram model (`pip install tfvae[lm]`, and `lmplz` on PATH)",
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
    from tfvae.evaluation.kenlm import KenlmModel, find_kenlm
    from tfvae.evaluation.measures import (
        MEASURE_FIGURES,
        check_groups,
        format_measures,
        measure,
    )
    from tfvae.evaluation.ngram import NgramModel
    from tfvae.text import read_texts
    from tfvae.training import RunFolder
    from tfvae.training.train import batches_of

    _check_counts(args)
    groups = args.measures
    if groups not in (None, "all"):
        groups = check_groups(groups.split(","))
    folder = RunFolder(args.run_folder)
    recipe = folder.load_recipe()
    language_model = None
    if groups == "all" or "generation" in (groups or ()):
        args.train = _train_text(args.train, recipe.train)
        if args.language_model:
            language_model = RunFolder(args.language_model).load_model()
        if args.kenlm:
            find_kenlm()
    model = folder.load_model()

    def texts():
        return read_texts(args.data, args.column or recipe.column)

    batches = batches_of(
        texts, model.tokenizer, recipe, shuffle=False, batch_size=args.batch_size
    )
    result = measure(
        model,
        batches.dataset(),
        groups,
        num_batches=batches.num_batches(),
        texts=texts,
        train_texts=lambda: read_texts(args.train, recipe.column),
        num_samples=args.samples,
        num_generated=args.num_generated,
        language_model=language_model,
        ngram_model=KenlmModel if args.kenlm else NgramModel,
        seed=args.seed,
        progress=_bar if sys.stdout.isatty() and args.json != "-" else None,
    )
    notes = [
        textwrap.fill(
            f"{key}: {MEASURE_FIGURES[key].definition}", 88, subsequent_indent="  "
        )
        for key in result
        if key in MEASURE_FIGURES and not args.short
    ]
    show(args, result, "\n".join([format_measures(result), *notes]))


def _check_counts(args):
    if args.samples < 0:
        raise ValueError(f"--samples must not be negative. Received: {args.samples}")
    for name in ("batch_size", "num_generated"):
        if getattr(args, name) < 1:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{option} must be positive. Received: {getattr(args, name)}"
            )


def _train_text(given, of_run):
    """Gives the path of the training text, the given one or the run's."""
    if given is None and not os.path.exists(of_run):
        raise FileNotFoundError(
            f"{of_run}: the run's training text, which generation is compared with, is "
            "not there any more. Pass --train FILE."
        )
    return given or of_run


def _bar(total, unit_name):
    import keras

    return keras.utils.Progbar(total, unit_name=unit_name)
