"""`tfvae generate`, `reconstruct` and `interpolate`: text that a model writes."""

import contextlib
import itertools
import json
import sys

from tfvae.cli.options import (
    Command,
    add_json,
    add_number,
    add_sampler,
    add_writing,
    check_least,
    check_outputs,
    make_sampler,
    progress_bar,
    show,
    writing_to,
)
from tfvae.cli.reading import (
    Reader,
    add_column,
    add_label,
    add_label_column,
    add_limits,
    add_run,
    add_turn,
    check_data_options,
    load_run,
    note,
)


def _add_generate(parser):
    add_run(parser)
    add_number(parser, "--num", "sentences", 10)
    parser.add_argument(
        "--from",
        dest="source",
        choices=("prior", "posterior", "aggregate"),
        default="prior",
        help="where codes are sampled from (prior)",
    )
    parser.add_argument(
        "--data", metavar="FILE", help="sentences for --from posterior and aggregate"
    )
    add_column(parser)
    add_limits(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="write to a file, not to standard output"
    )
    parser.add_argument(
        "--prefix", metavar="TEXT", help="the words that every sentence begins with"
    )
    add_label(parser, "the sentences")
    add_number(parser, "--batch-size", "at once (500)", 500)
    add_sampler(parser, "ancestral")
    add_writing(parser)
    add_json(parser)


def _generate(args):
    from tfvae.models import writing

    check_least(args, 1, "num", "batch_size", "max_length", "max_written")
    check_outputs(args, "out", "json")
    _check_source(args)
    sampler = make_sampler(args)
    configuration, model = load_run(args)
    if args.source == "prior" or args.label is not None:
        writing.check_label(model, args.label)
    texts = writing.generate(
        model,
        args.num,
        sampler=sampler,
        codes=_codes(model, configuration, args),
        label=args.label,
        max_length=args.max_written,
        seed=args.seed,
        batch_size=args.batch_size,
        prefix_ids=_prefix(model, args),
    )
    _write_texts(texts, args)


def _prefix(model, args):
    """Returns the ids of the words that sentences begin with."""
    if args.prefix is None:
        return ()
    ids = model.tokenizer.encode(args.prefix)
    if not ids:
        raise ValueError(f"--prefix needs words. Received: {args.prefix!r}")
    if model.tokenizer.unk_id in ids:
        note(args, f"the model does not know every word of {args.prefix!r}.")
    return ids


def _check_source(args):
    """Refuses what does not fit the source of codes."""
    from tfvae.text import is_stream

    if (args.source == "prior") != (args.data is None):
        raise ValueError(
            "--data goes with --from posterior or --from aggregate, which need it. "
            f"Received: --from {args.source}, --data {args.data}"
        )
    if args.data is None and args.max_length is not None:
        raise ValueError(
            "--max-length limits the sentences of --data, and there are none. "
            "--max-written limits those that are written."
        )
    check_data_options(args, "too_long")
    if args.source == "posterior" and is_stream(args.data):
        raise ValueError(
            f"{args.data}: a pipe can be read only once, but --from posterior reads "
            "over and over. Write the text to a file, or take --from aggregate."
        )


def _codes(model, configuration, args):
    """Returns the codes to write from, or `None` for the prior."""
    from tfvae.models import writing

    if args.source == "prior":
        return None
    reader = Reader(args, configuration, model)
    writing.require_latent(model)
    options = {"max_length": reader.max_length, "seed": args.seed}
    if model.requires != ("label",):
        writing.require_no_condition(model)
    elif args.label is None:
        options["with_labels"] = True
    if args.source == "aggregate":
        return writing.aggregate_codes(model, reader.texts(), **options)
    return writing.posterior_codes(model, reader.texts, **options)


def _write_texts(texts, args):
    """Writes sentences as they come: one a line, as JSON, or both."""
    with contextlib.ExitStack() as stack:
        files = [
            path and stack.enter_context(writing_to(path))
            for path in (args.out, None if args.json == "-" else args.json)
        ]
        lines = files[0] or (sys.stdout if args.json != "-" else None)
        objects = sys.stdout if args.json == "-" else files[1]
        before = f'{{\n  "seed": {args.seed},\n  "texts": ['
        for text in _watched(texts, args):
            if lines is not None:
                lines.write(text + "\n")
            if objects is not None:
                objects.write(f"{before}\n    {json.dumps(text)}")
            before = ","
        if objects is not None:
            objects.write("\n  ]\n}\n")


def _watched(texts, args):
    """Shows progress on standard error where lines go to a file."""
    if args.out is None or not sys.stderr.isatty():
        yield from texts
        return
    bar = progress_bar(args.num, "sentence")
    for number, text in enumerate(texts, 1):
        yield text
        if number % 100 == 0 or number == args.num:
            bar.update(number)


GENERATE = Command(
    "write sentences from a trained model",
    """\
Write sentences with the model of a run, one a line: from samples of the prior, or from
nothing where the model is a language model. With --from posterior each comes from a
sample of the posterior of a sentence of --data, in their order, over and over; with
--from aggregate the sentences are chosen at random, so that codes come from the
aggregated posterior. The same seed writes the same sentences, however many. A run with
labels writes with --label, or without one with each sentence's own label of --data.

examples:
  tfvae generate runs/vae --num 10 --seed 1
  tfvae generate runs/vae --num 100000 --top-p 0.9 --no-unknown --out samples.txt
  tfvae generate runs/vae --from aggregate --data train.txt --beams 5
  tfvae generate runs/vae --prefix "the food was" --num 5
  tfvae generate runs/labelled --label positive --num 5
  tfvae generate runs/labelled --from posterior --data test.tsv
""",
    _add_generate,
    _generate,
)


def _add_reconstruct(parser):
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences")
    add_column(parser)
    add_label_column(parser)
    add_limits(parser)
    add_number(parser, "--num", "only the first N lines")
    add_number(
        parser, "--samples", "samples of each posterior (its mode alone)", metavar="S"
    )
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def _reconstruct(args):
    from tfvae.models.writing import reconstruct, require_latent

    check_least(args, 1, "num", "samples", "max_length", "max_written")
    check_outputs(args, "json")
    sampler = make_sampler(args)
    configuration, model = load_run(args)
    require_latent(model)
    reader = Reader(args, configuration, model)
    read = list(itertools.islice(reader.rows(keep_blank=True), args.num))
    pairs = reconstruct(
        model,
        [row for _, row in read if row],
        num_samples=args.samples,
        sampler=sampler,
        max_length=args.max_written,
        max_read=reader.max_length,
        max_context_length=reader.max_context_length,
        seed=args.seed,
    )
    result, lines = [], []
    for line, row in read:
        row = {"text": row} if isinstance(row, str) else row
        # A blank line has a place in the output too.
        lines.append(f"  {row['text']}".rstrip())
        for _ in range(args.samples or 1):
            again = next(pairs)[1] if row["text"] else ""
            lines.append(f"> {again}".rstrip())
            result.append({"line": line, **row, "reconstruction": again})
    show(args, result, "\n".join(lines))


RECONSTRUCT = Command(
    "reconstruct the sentences of a file",
    """\
Encode each sentence of a file and reconstruct it, the most probable word at each step:
from the posterior's mode, or from --samples samples of the posterior. Prints the
sentence, then what the model made of it; a blank line keeps its place. Longer sentences
than the run's --max-length are refused unless --too-long says otherwise. A run with
contexts reads them from its own columns of the file.

example:
  tfvae reconstruct runs/vae --data test.txt --num 20
""",
    _add_reconstruct,
    _reconstruct,
)


def _add_interpolate(parser):
    add_run(parser)
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="the two sentences")
    parser.add_argument(
        "--prior", action="store_true", help="between two samples of the prior"
    )
    for name, what in (("minus", "subtracted"), ("plus", "added")):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="TEXT",
            help=f"a sentence whose code is {what}; may be given again",
        )
    add_turn(parser, "that is held on the way")
    add_label(parser, "all sentences, read and written")
    add_number(parser, "--steps", "sentences written (7)", 7)
    parser.add_argument(
        "--path",
        choices=("auto", "line", "sphere"),
        default="auto",
        help="straight line or great circle (auto: where the posterior's codes lie)",
    )
    add_limits(parser, ("error", "truncate"))
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def _interpolate(args):
    from tfvae.models.writing import interpolate_codes, require_codes_of_sentences

    _check_ends(args)
    check_outputs(args, "json")
    sampler = make_sampler(args)
    configuration, model = load_run(args)
    require_codes_of_sentences(model)
    reader = Reader(args, configuration, model)
    context, label = reader.context(args.turn), reader.label(args.label)
    first, last = _ends(model, reader, context, label, args)
    rows = interpolate_codes(
        model,
        first,
        last,
        num_steps=args.steps,
        path=args.path,
        sampler=sampler,
        max_length=args.max_written,
        seed=args.seed,
        context=context,
        label=label,
        max_context_length=reader.max_context_length,
    )
    result = [{"fraction": fraction, "text": text} for fraction, text in rows]
    lines = [f"  {text}" for text in args.texts[:1]]
    lines += [f"{fraction:4.2f}  {text}" for fraction, text in rows]
    lines += [f"  {text}" for text in args.texts[1:]]
    show(args, result, "\n".join(lines))


def _check_ends(args):
    """Refuses ends that do not fit together."""
    check_least(args, 2, "steps")
    check_least(args, 1, "max_length", "max_written")
    is_sum = bool(args.minus or args.plus)
    if args.prior and (args.max_length is not None or args.too_long is not None):
        raise ValueError(
            "--max-length and --too-long limit the sentences that are read, and with "
            "--prior there are none. --max-written limits those that are written."
        )
    if args.prior and is_sum:
        raise ValueError("--prior does not go with --minus and --plus.")
    wanted = 0 if args.prior else 1 if is_sum else 2
    if len(args.texts) != wanted:
        raise ValueError(
            "Give two sentences; one with --minus or --plus; none with --prior. "
            f"Received: {len(args.texts)}"
        )


def _ends(model, reader, context, label, args):
    """Returns the first and the last code."""
    from tfvae.models.interpolation import vector_arithmetic
    from tfvae.models.writing import encode_means, sample_endpoints

    cut = {"max_context_length": reader.max_context_length}
    if args.prior:
        return sample_endpoints(model, args.seed, context, label, **cut)
    texts = [*args.texts, *args.minus, *args.plus]
    reader.check(texts)
    cut["contexts"] = None if context is None else [context] * len(texts)
    cut["labels"] = None if label is None else [label] * len(texts)
    codes = encode_means(model, texts, reader.max_length, **cut)
    if not (args.minus or args.plus):
        return codes
    plus = 1 + len(args.minus)
    support = model.posterior.support
    return codes[0], vector_arithmetic(codes[0], codes[1:plus], codes[plus:], support)


INTERPOLATE = Command(
    "write the sentences between two, or do arithmetic with them",
    """\
Encode two sentences and write what lies between their codes, both ends included, the
most probable word at each step: on the straight line, or on the great circle where
codes lie on a sphere. With --prior the ends are two samples of the prior. With --minus
and --plus the way goes from one sentence to the sum, code - minus + plus. In a run with
contexts all sentences, read and written, have the context given by --turn.

examples:
  tfvae interpolate runs/vae "the food was good ." "we waited an hour ." --steps 7
  tfvae interpolate runs/vae --prior --seed 3
  tfvae interpolate runs/vae "the food was good ." --minus "it was good ." \\
      --plus "it was bad ." --steps 2
""",
    _add_interpolate,
    _interpolate,
)
