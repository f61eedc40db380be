"""`tfvae evaluate`: measure a trained model on a text."""

import dataclasses
import os
import sys
import textwrap

from tfvae.cli.options import (
    Command,
    add_evaluation,
    add_json,
    check_least,
    check_outputs,
    counts_of,
    flag_of,
    progress_bar,
    show,
)
from tfvae.cli.reading import (
    add_column,
    add_label_column,
    add_limits,
    add_run,
    columns_of,
    load_run,
    note_long,
)


def _add_arguments(parser):
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="FILE", help="text to measure")
    add_column(parser)
    add_label_column(parser)
    parser.add_argument(
        "--context-column",
        metavar="NAME",
        help="column of the contexts, of a conditional run (the run's)",
    )
    add_limits(parser)
    parser.add_argument(
        "--metrics",
        "--measures",
        metavar="GROUP,...",
        help="groups of metrics, separated by commas, or all",
    )
    parser.add_argument(
        "--train",
        metavar="FILE",
        help="text that the n-gram model of generation learns, and embeddings of words "
        "for responses (the run's)",
    )
    parser.add_argument(
        "--language-model",
        metavar="DIR",
        help="run of the preset language_model that scores the generated sentences",
    )
    parser.add_argument(
        "--embeddings",
        metavar="FILE",
        help="embeddings of words that responses are compared by, in the text format "
        "of GloVe or word2vec; .gz may follow (learned from the training text)",
    )
    add_evaluation(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="print every metric, not only the ones that tell most; --json holds all "
        "of them in any case",
    )
    parser.add_argument(
        "--short", action="store_true", help="leave out the definitions"
    )
    add_json(parser)


# The groups of metrics that read an option.
_USED_BY = {
    "train": ("generation", "responses", "transfer"),
    "language_model": ("generation",),
    "num_generated": ("generation",),
    "samples": ("likelihood",),
    "num_responses": ("responses",),
    "embeddings": ("responses",),
}


def _run(args):
    from tfvae.evaluation.evaluate import check_groups, evaluate
    from tfvae.evaluation.metrics import GROUPS, METRICS, SUMMARY, format_table
    from tfvae.text.formats import check_file
    from tfvae.training import RunFolder

    check_least(args, 0, "samples", "seed")
    check_least(args, 1, "batch_size", "num_generated", "num_responses", "max_length")
    check_outputs(args, "json")
    groups = args.metrics
    if groups not in (None, "all"):
        groups = check_groups(groups.split(","))
    measured = GROUPS if groups == "all" else groups or ("likelihood", "latent")
    for name, groups_of in _USED_BY.items():
        if getattr(args, name) is not None and not {*groups_of} & {*measured}:
            raise ValueError(
                f"{flag_of(name)} is for the metrics of "
                f"{' and '.join(groups_of)}. Ask for them by --metrics {groups_of[0]} "
                "too, or leave it out."
            )
    configuration = RunFolder(args.run_folder).load_configuration()
    language_model = None
    train = args.train or configuration.train
    # It is read for its words alone where embeddings are of a file.
    learns = "responses" in measured and args.embeddings is None
    if {"generation", "transfer"} & {*measured} or learns:
        _check_train_text(args.train, configuration.train)
    if args.language_model:
        language_model = RunFolder(args.language_model).load_model()
    if args.embeddings is not None:
        check_file(args.embeddings)
    _, model = load_run(args)
    batches = _batches(args, configuration, model.tokenizer)

    result = evaluate(
        model,
        batches,
        groups=groups,
        train_texts=lambda: configuration.training_rows(train),
        **counts_of(args),
        language_model=language_model,
        embeddings_file=args.embeddings,
        seed=args.seed,
        progress=progress_bar if sys.stdout.isatty() and args.json != "-" else None,
    )
    in_full = args.all or groups is not None
    shown = {k: each for k, each in METRICS.items() if in_full or k in SUMMARY}
    lines = [format_table(result, shown)]
    lines += _by_direction(result.get("transfer_directions", {}))
    if not args.short:
        lines += [
            textwrap.fill(f"{key}: {metric.definition}", 88, subsequent_indent="  ")
            for key, metric in shown.items()
            if key in result
        ]
    num_hidden = len((set(result) & set(METRICS)) - set(shown))
    if num_hidden:
        lines.append(f"{num_hidden} more are printed by --all or --metrics GROUP,...")
    show(args, result, "\n".join(lines))


def _by_direction(directions):
    """Formats the metrics of transfer by direction, a line each."""
    if not directions:
        return []
    keys = (
        *("accuracy", "self_bleu", "joint", "copy"),
        *("perplexity", "reverse_perplexity"),
    )
    width = max(map(len, directions))
    lines = [" " * width + "".join(f"  {key.replace('_', ' '):>18}" for key in keys)]
    for name, found in directions.items():
        values = (found.get(f"transfer_{key}") for key in keys)
        cells = ("-" if value is None else f"{value:.4g}" for value in values)
        lines.append(f"{name:{width}}" + "".join(f"  {cell:>18}" for cell in cells))
    return lines


def _batches(args, configuration, tokenizer):
    """Creates the batches to measure, noting what is strange about them."""
    if args.context_column and configuration.context_column is None:
        raise ValueError(
            f"{args.run_folder}: the run reads no contexts. Leave --context-column out."
        )
    names = ("max_length", "too_long", "context_column")
    given = {name: getattr(args, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    configuration = dataclasses.replace(configuration, **given)
    columns = columns_of(args, configuration)
    if args.label_column is not None:
        columns["label_column"] = args.label_column
    batches = configuration.batches(
        args.data,
        tokenizer,
        shuffle=False,
        batch_size=args.batch_size,
        columns=columns,
    )
    counts = batches.counts()
    for num, what in ((counts.num_dropped, "left out"), (counts.num_cut, "cut")):
        if num:
            note_long(args, num, what, batches.max_length)
    return batches


def _check_train_text(given, of_run):
    """Refuses a run whose training text is missed."""
    if given is None and not os.path.exists(of_run):
        raise FileNotFoundError(
            f"{of_run}: the run's training text, which generation is compared with and "
            "embeddings of words are learned from, is not there any more. Pass --train "
            "FILE."
        )


EVALUATE = Command(
    "measure a trained model on a text",
    """\
Measure the best model of a run on a text. Groups of metrics:
  likelihood      likelihood and its bound, KL, perplexity
  latent          what the decoder reads of the code, mutual information by three
                  estimators, active units
  aggregate       posterior scales, distance of the aggregated posterior from the prior
  reconstruction  BLEU, exact match and token error rate of reconstructed sentences
  generation      forward and reverse perplexity, diversity and statistics of
                  sentences generated from the prior
  responses       BLEU, similarity of embeddings, diversity of responses to contexts
  transfer        accuracy, content and fluency of sentences written again with each
                  other label (needs the extra tfvae[measures])
  gradients       norms of gradients by the encoder's code
The first two are measured unless --metrics says otherwise, and what tells most is
printed: all of it with --all. Footnotes say what each metric means. The tokenizer is
that of the run; so is the longest sentence, unless --max-length says otherwise.

example:
  tfvae evaluate runs/vae --data test.txt --samples 100 --json runs/vae/test.json
  tfvae evaluate runs/vae --data test.txt --metrics reconstruction,generation
  tfvae evaluate runs/cvae --data pairs.tsv --metrics likelihood,responses
""",
    _add_arguments,
    _run,
)
