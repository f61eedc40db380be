"""`tfvae respond` and `transfer`: what conditional models write."""

import contextlib
import json

from tfvae.cli.options import (
    Command,
    add_no_header,
    add_number,
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
    add_label,
    add_label_column,
    add_limits,
    add_run,
    as_turns,
    check_data_options,
    load_run,
)

# Contexts answered at once.
_CONTEXTS = 100
# Sentences written again at once.
_SENTENCES = 500


def _add_respond(parser):
    add_run(parser)
    parser.add_argument(
        "turns", nargs="*", metavar="TURN", help="one context, the oldest turn first"
    )
    parser.add_argument(
        "--data", metavar="FILE", help="table whose contexts are answered, all of them"
    )
    parser.add_argument(
        "--context-column",
        metavar="NAME",
        help="column of the contexts (the run's)",
    )
    add_label(parser, "the response")
    add_label_column(parser)
    add_no_header(parser, "a context")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write to a .jsonl file, an object with the context and its responses a "
        "line, in the order of --data",
    )
    parser.add_argument(
        "--too-long",
        choices=("error", "truncate"),
        help="what becomes of contexts of more turns or words than the run reads: "
        "truncate takes the last turns and their first words (the run's)",
    )
    # What a sentence may be is of no meaning here.
    parser.set_defaults(column=None, max_length=None)
    add_number(parser, "--num", "responses to each context", 1)
    add_sampler(parser, "ancestral")
    add_writing(parser)


def _respond(args):
    from tfvae.text.vocabulary import chunks

    check_least(args, 1, "num", "max_written")
    check_outputs(args, "out", suffixes=(".jsonl",))
    if bool(args.turns) == (args.data is not None):
        raise ValueError(
            "Give the turns of one context, or a table of contexts by --data. "
            f"Received: {len(args.turns)} turns, --data {args.data}"
        )
    check_data_options(args, "context_column", "label_column")
    sampler = make_sampler(args)
    configuration, model = load_run(args)
    if configuration.context_column is None:
        raise ValueError(
            f"{args.run_folder}: the run was trained without contexts, so there is "
            "nothing to respond to. Train it with --context-column, or use generate."
        )
    if args.too_long is None and configuration.too_long == "drop":
        # Each context has its responses.
        args.too_long = "error"
    reader = Reader(args, configuration, model)
    if args.turns:
        context, label = reader.context(args.turns), reader.label(args.label)
        rows = [{"context": context, "label": label}]
    else:
        rows = (row for _, row in reader.rows(has_text=False))
    with _output(args) as file:
        for number, chunk in enumerate(chunks(rows, _CONTEXTS)):
            contexts = [row["context"] for row in chunk]
            labels = [row["label"] for row in chunk] if model.label_names else None
            answers = model.respond(
                contexts,
                labels=labels,
                num=args.num,
                sampler=sampler,
                max_length=args.max_written,
                seed=(args.seed, number),
                max_context_length=reader.max_context_length,
            )
            for context, responses in zip(contexts, answers, strict=True):
                turns = as_turns(context)
                shown = responses
                if not args.turns:
                    shown = [f"  {turn}" for turn in turns]
                    shown += [f"> {response}" for response in responses]
                _write({"context": turns, "responses": responses}, shown, file)


def _output(args):
    """Opens the file of `--out`, `None` for standard output."""
    return writing_to(args.out) if args.out else contextlib.nullcontext()


def _write(row, shown, file):
    """Writes a row to the file as JSON, or shows its lines where there is none."""
    if file is not None:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        print("\n".join(shown), flush=True)


RESPOND = Command(
    "answer contexts by a conditional model",
    """\
Answer one context, given as its turns, or all contexts of a table. A code is sampled
from the prior given the context for each response, and each word from the model's
distribution unless --sampler says otherwise.

example:
  tfvae respond runs/cvae "how are you ?" "fine , and you ?" --num 5 --sampler greedy
  tfvae respond runs/cvae --data test.jsonl --num 10 --out responses.jsonl
""",
    _add_respond,
    _respond,
)


def _add_transfer(parser):
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


def _transfer(args):
    from tfvae.models.conditional import require_transfer
    from tfvae.text.vocabulary import chunks

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
    require_transfer(model)
    model.label_number(args.to)
    reader = Reader(args, configuration, model, reads_label=False)
    if args.texts:
        reader.check(args.texts)
    texts = args.texts or reader.texts()
    with _output(args) as file:
        for number, chunk in enumerate(chunks(texts, _SENTENCES)):
            written = model.transfer(
                chunk,
                args.to,
                sampler=sampler,
                max_length=args.max_written,
                max_read=reader.max_length,
                seed=(args.seed, number),
            )
            for text, again in zip(chunk, written, strict=True):
                shown = [again] if args.data is None else [f"  {text}", f"> {again}"]
                row = {"text": text, "label": args.to, "transferred": again}
                _write(row, shown, file)


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
    _add_transfer,
    _transfer,
)
