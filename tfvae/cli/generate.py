"""The commands that write text or search it by codes.

`tfvae generate`, `reconstruct`, `interpolate` and `neighbours`.
"""

import contextlib
import itertools
import json
import os
import sys

from tfvae.cli.options import (
    Command,
    add_json,
    add_number,
    add_run,
    add_sampler,
    add_writing,
    check_least,
    make_sampler,
    progress_bar,
    show,
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
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument(
        "--out", metavar="FILE", help="write to a file, not to standard output"
    )
    add_number(parser, "--batch-size", "at once (500)", 500)
    add_sampler(parser, "ancestral")
    add_writing(parser)
    add_json(parser)


def _generate(args):
    from tfvae.models import writing
    from tfvae.training import RunFolder

    check_least(args, 1, "num", "batch_size", "max_length")
    if (args.source == "prior") != (args.data is None):
        raise ValueError(
            "--data goes with --from posterior or --from aggregate, which need it. "
            f"Received: --from {args.source}, --data {args.data}"
        )
    sampler = make_sampler(args)
    model = RunFolder(args.run_folder).load_model()
    texts = writing.generate(
        model,
        args.num,
        sampler=sampler,
        codes=_codes(model, args),
        max_length=args.max_length,
        seed=args.seed,
        batch_size=args.batch_size,
    )
    _write_texts(texts, args)


def _codes(model, args):
    """Returns the codes to write from, or `None` for the prior."""
    from tfvae.models import writing
    from tfvae.text import read_texts

    if args.source == "prior":
        return None
    writing.require_latent(model)
    options = {"max_length": args.max_length, "seed": args.seed}
    if args.source == "aggregate":
        texts = read_texts(args.data, args.column)
        return writing.aggregate_codes(model, texts, **options)
    return writing.posterior_codes(
        model, lambda: read_texts(args.data, args.column), **options
    )


def _write_texts(texts, args):
    """Writes sentences as they come: one a line, as JSON, or both."""
    with contextlib.ExitStack() as stack:
        files = [
            path and stack.enter_context(open(path, "w", encoding="utf-8"))
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
aggregated posterior. The same seed writes the same sentences, however many.

examples:
  tfvae generate runs/vae --num 10 --seed 1
  tfvae generate runs/vae --num 100000 --top-p 0.9 --no-unknown --out samples.txt
  tfvae generate runs/vae --from aggregate --data train.txt --beams 5
""",
    _add_generate,
    _generate,
)


def _add_reconstruct(parser):
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences")
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    add_number(parser, "--num", "only the first N")
    add_number(
        parser, "--samples", "samples of each posterior (its mode alone)", metavar="S"
    )
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def _reconstruct(args):
    from tfvae.models.writing import reconstruct
    from tfvae.text import read_texts
    from tfvae.training import RunFolder

    check_least(args, 1, "num", "samples", "max_length")
    sampler = make_sampler(args)
    model = RunFolder(args.run_folder).load_model()
    pairs = reconstruct(
        model,
        itertools.islice(read_texts(args.data, args.column), args.num),
        num_samples=args.samples,
        sampler=sampler,
        max_length=args.max_length,
        seed=args.seed,
    )
    result, lines = [], []
    for number, (text, reconstruction) in enumerate(pairs):
        if number % (args.samples or 1) == 0:
            lines.append(f"  {text}")
        lines.append(f"> {reconstruction}")
        result.append({"text": text, "reconstruction": reconstruction})
    show(args, result, "\n".join(lines))


RECONSTRUCT = Command(
    "reconstruct the sentences of a file",
    """\
Encode each sentence of a file and reconstruct it, the most probable word at each step:
from the posterior's mode, or from --samples samples of the posterior. Prints the
sentence, then what the model made of it.

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
    add_number(parser, "--steps", "sentences written (7)", 7)
    parser.add_argument(
        "--path",
        choices=("auto", "line", "sphere"),
        default="auto",
        help="straight line or great circle (auto: where the posterior's codes lie)",
    )
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def _interpolate(args):
    from tfvae.models.writing import interpolate_codes, require_latent
    from tfvae.training import RunFolder

    _check_ends(args)
    sampler = make_sampler(args)
    model = RunFolder(args.run_folder).load_model()
    require_latent(model)
    first, last = _ends(model, args)
    rows = interpolate_codes(
        model,
        first,
        last,
        num_steps=args.steps,
        path=args.path,
        sampler=sampler,
        max_length=args.max_length,
        seed=args.seed,
    )
    result = [{"fraction": fraction, "text": text} for fraction, text in rows]
    lines = [f"  {text}" for text in args.texts[:1]]
    lines += [f"{fraction:4.2f}  {text}" for fraction, text in rows]
    lines += [f"  {text}" for text in args.texts[1:]]
    show(args, result, "\n".join(lines))


def _check_ends(args):
    """Refuses ends that do not fit together."""
    check_least(args, 2, "steps")
    check_least(args, 1, "max_length")
    is_sum = bool(args.minus or args.plus)
    if args.prior and is_sum:
        raise ValueError("--prior does not go with --minus and --plus.")
    wanted = 0 if args.prior else 1 if is_sum else 2
    if len(args.texts) != wanted:
        raise ValueError(
            "Give two sentences; one with --minus or --plus; none with --prior. "
            f"Received: {len(args.texts)}"
        )


def _ends(model, args):
    """Returns the first and the last code."""
    from tfvae.models.interpolation import vector_arithmetic
    from tfvae.models.writing import encode_means, sample_endpoints

    if args.prior:
        return sample_endpoints(model, args.seed)
    codes = encode_means(model, [*args.texts, *args.minus, *args.plus], args.max_length)
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
and --plus the way goes from one sentence to the sum, code - minus + plus.

examples:
  tfvae interpolate runs/vae "the food was good ." "we waited an hour ." --steps 7
  tfvae interpolate runs/vae --prior --seed 3
  tfvae interpolate runs/vae "the food was good ." --minus "it was good ." \\
      --plus "it was bad ." --steps 2
""",
    _add_interpolate,
    _interpolate,
)


def _add_neighbours(parser):
    add_run(parser)
    parser.add_argument("--data", metavar="FILE", help="sentences to search")
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument(
        "--query",
        action="append",
        required=True,
        metavar="TEXT",
        help="a sentence; may be given again",
    )
    add_number(parser, "--num", "found (5)", 5)
    parser.add_argument(
        "--index", metavar="FILE.npz", help="codes to use again, or to write"
    )
    add_number(parser, "--max-length", "most words read (60)", 60)
    add_json(parser)


def _neighbours(args):
    from tfvae.models.writing import encode_means, require_latent
    from tfvae.training import RunFolder

    check_least(args, 1, "num", "max_length")
    if args.data is None and args.index is None:
        raise ValueError("Give --data FILE, --index FILE.npz, or both.")
    model = RunFolder(args.run_folder).load_model()
    require_latent(model)
    codes = encode_means(model, args.query, args.max_length)
    _warn_of_unknown(model, args.query)
    found = _index(model, args).query(codes, args.num, args.query)
    result, lines = [], []
    for query, rows in zip(args.query, found, strict=True):
        neighbours = [{"text": text, "cosine": cosine} for text, cosine in rows]
        result.append({"query": query, "neighbours": neighbours})
        lines.append(f"        {query}")
        lines += [f"{cosine:6.3f}  {text}" for text, cosine in rows]
    show(args, result, "\n".join(lines))


def _warn_of_unknown(model, queries):
    """Notes on standard error the queries of which the model knows no word."""
    for query in queries:
        if set(model.tokenizer.encode(query)) == {model.tokenizer.unk_id}:
            print(
                f"tfvae neighbours: note: the model knows no word of {query!r}; its "
                "neighbours are those of as many unknown words.",
                file=sys.stderr,
            )


def _index(model, args):
    """Loads the index, or builds and keeps it."""
    from tfvae.evaluation.neighbours import NeighbourIndex, digest
    from tfvae.text import read_texts

    has_file = args.index is not None and os.path.exists(args.index)
    if args.data is None or has_file:
        index = NeighbourIndex.load(args.index, model)
        if args.data is not None:
            if digest(read_texts(args.data, args.column)) != digest(index.texts):
                raise ValueError(
                    f"{args.index}: the index was made of another text than "
                    f"{args.data}. Choose another file, or delete it to make it anew."
                )
        return index
    index = NeighbourIndex.build(
        model, read_texts(args.data, args.column), max_length=args.max_length
    )
    if args.index is not None:
        index.save(args.index)
    return index


NEIGHBOURS = Command(
    "find the sentences of a file whose codes are nearest",
    """\
Encode the sentences of a file and find those whose codes, the posteriors' modes, have
the largest cosine with that of each query; the query itself is left out. --index keeps
the codes in a file, which is used again when it exists, with or without --data.

example:
  tfvae neighbours runs/vae --data train.txt --query "the food was good ." --num 5
""",
    _add_neighbours,
    _neighbours,
)
