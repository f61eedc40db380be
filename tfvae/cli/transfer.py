"""`tfvae transfer`: sentences written again with another label."""

import contextlib
import itertools
import json
import sys

from tfvae.cli.options import (
    Command,
    add_sampler,
    add_writing,
    check_least,
    check_outputs,
    make_sampler,
    writing_to,
)
from tfvae.cli.reading import (
    Reader,
    add_column,
    add_limits,
    add_run,
    check_data_options,
    load_run,
)

# Sentences written at once.
_CHUNK = 500


def _add_arguments(parser):
    add_run(parser)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="sentences")
    # Sentences may follow the label: argparse takes those before the option for all.
    parser.add_argument(
        "--to",
        required=True,
        nargs="+",
        metavar=("LABEL", "TEXT"),
        help="the label that they get, which sentences may follow",
    )
    parser.add_argument("--data", metavar="FILE", help="sentences of a file, all")
    add_column(parser)
    add_limits(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write to a .jsonl file, an object with the sentence, the label and what "
        "became of it a line, in the order of --data",
    )
    add_sampler(parser, "greedy")
    add_writing(parser)


def _run(args):
    check_least(args, 1, "max_length", "max_written")
    check_outputs(args, "out", suffixes=(".jsonl",))
    args.to, *more = args.to
    args.texts += more
    if bool(args.texts) == (args.data is not None):
        raise ValueError(
            "Give sentences, or a file of them by --data. "
            f"Received: {len(args.texts)} sentences, --data {args.data}"
        )
    check_data_options(args)
    sampler = make_sampler(args)
    configuration, model = load_run(args)
    from tfvae.models.transferring import require_transfer

    require_transfer(model)
    model.label_number(args.to)
    reader = Reader(args, configuration, model, reads_label=False)
    if args.texts:
        reader.check(args.texts)
    texts = iter(args.texts) if args.texts else reader.texts()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(writing_to(args.out)) if args.out else None
        for number in itertools.count():
            chunk = list(itertools.islice(texts, _CHUNK))
            if not chunk:
                break
            written = model.transfer(
                chunk,
                args.to,
                sampler=sampler,
                max_length=args.max_written,
                max_read=reader.max_length,
                seed=(args.seed, number),
            )
            for text, again in zip(chunk, written, strict=True):
                _write(text, again, file, args)


def _write(text, again, file, args):
    if file is not None:
        row = {"text": text, "label": args.to, "transferred": again}
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    print(f"  {text}\n> {again}" if args.data is not None else again)
    sys.stdout.flush()


TRANSFER = Command(
    "write sentences again with another label",
    """\
Write sentences again with another label, such as another sentiment, by the model of a
run with labels whose codes do not hold them: that of vae_transfer, dae_transfer,
ivae_transfer or arae. Each is written the most probable word at each step, unless an
option says otherwise.

examples:
  tfvae transfer runs/style --to negative "the food was great ."
  tfvae transfer runs/style --to positive --data test.tsv --out transferred.jsonl
""",
    _add_arguments,
    _run,
)
