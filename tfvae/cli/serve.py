"""`tfvae export` writes a model for TF Serving; `tfvae client` asks a server."""

import os

from tfvae.cli.options import (
    Command,
    add_json,
    add_number,
    check_least,
    check_outputs,
    flag_of,
    show,
)
from tfvae.cli.reading import add_column, as_turns, check_data_options
from tfvae.files import read_json


def _add_export(parser):
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument(
        "--to",
        metavar="PATH",
        help="folder of all versions (default: saved_models/ and the name of DIR)",
    )
    add_number(parser, "--version", "version (default: the next free one)")
    add_number(parser, "--samples", "latent samples of a likelihood (10)", 10)
    add_number(
        parser, "--max-length", "most words read or written (default: the run's)"
    )
    parser.add_argument(
        "--metrics",
        "--measures",
        metavar="FILE",
        help="JSON of `tfvae evaluate`, for the model card",
    )
    parser.add_argument(
        "--unfinished",
        action="store_true",
        help="export a run that is still training or was broken off",
    )
    parser.add_argument(
        "--no-warmup",
        action="store_true",
        help="write no warm-up requests, which need the extra `serving`",
    )
    parser.add_argument(
        "--tensorflow-text",
        action="store_true",
        help="for a wordpiece model, also write PATH_wordpiece, which tokenizes by "
        "operations of tensorflow-text",
    )


def _export(args):
    from tfvae.serving import export, export_wordpiece
    from tfvae.training import RunFolder

    check_least(args, 1, "max_length")
    metrics = None if args.metrics is None else read_json(args.metrics)
    folder = RunFolder(args.run_folder)
    tokenizer = folder.load_configuration().tokenizer
    if args.tensorflow_text and tokenizer != "wordpiece":
        raise ValueError(
            f"{args.run_folder}: the run's tokens are those of the tokenizer "
            f"{tokenizer!r}, which needs no operations of tensorflow-text. Leave "
            "--tensorflow-text out."
        )
    name = os.path.basename(os.path.abspath(args.run_folder))
    to = args.to or os.path.join("saved_models", name)
    place = export(
        folder,
        to,
        version=args.version,
        num_samples=args.samples,
        max_length=args.max_length,
        metrics=metrics,
        unfinished=args.unfinished,
        warmup=not args.no_warmup,
    )
    print(f"{place}: written; its README.md lists the signatures")
    if args.tensorflow_text:
        place = export_wordpiece(
            folder,
            f"{os.path.normpath(to)}_wordpiece",
            version=args.version,
            max_length=args.max_length,
            warmup=not args.no_warmup,
        )
        print(f"{place}: written; its server needs the operations of tensorflow-text")


EXPORT = Command(
    "write a trained model for TF Serving",
    """\
Write the best model of a run as a SavedModel that TF Serving loads, with signatures on
plain text, warm-up requests and a model card. The version's folder appears whole or
not at all, so a server may watch the place.

example:
  tfvae export runs/vae --to saved_models/vae --metrics runs/vae/test.json
""",
    _add_export,
    _export,
)


def _add_client(parser):
    parser.add_argument(
        "action",
        choices=(
            "respond",
            "reconstruct",
            "transfer",
            "encode",
            "generate",
            "interpolate",
            "score",
        ),
    )
    parser.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    parser.add_argument(
        "--turn",
        action="append",
        metavar="TEXT",
        help="a turn of the context that is answered, or that every --text answers; "
        "given again for each further turn, the oldest first",
    )
    parser.add_argument(
        "--data", metavar="FILE", help="sentences, one a line, or a table"
    )
    add_column(parser, "text")
    parser.add_argument(
        "--context-column",
        metavar="NAME",
        help="column of the contexts in the table (for respond: context)",
    )
    parser.add_argument(
        "--to", metavar="LABEL", help="the label, by its name, that texts are to have"
    )
    parser.add_argument("--model", required=True, metavar="NAME", help="on the server")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, help="default: 8500, with --rest 8501")
    parser.add_argument("--rest", action="store_true", help="REST instead of gRPC")
    which = parser.add_mutually_exclusive_group()
    add_number(which, "--version", "default: the latest")
    which.add_argument("--label", help="a version label of the server")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--retries", type=int, default=3, metavar="N")
    add_number(parser, "--batch-size", "the most rows of a request (32)", 32)
    add_number(parser, "--seed", "of draws, all but interpolate (0)")
    add_number(
        parser,
        "--temperature",
        "0 for the most probable words (default: 0, for respond and generate 1)",
        kind=float,
        metavar="T",
    )
    add_number(parser, "--num", "generate (10), respond to each context (1)")
    add_number(parser, "--steps", "interpolate (7)")
    add_json(parser)


def _client(args):
    from tfvae.serving import Client

    check_outputs(args, "json")
    check_least(args, 1, "port", "version")
    _check_options(args)
    texts, contexts = _inputs(args)
    client = Client(
        args.model,
        args.host,
        args.port,
        rest=args.rest,
        version=args.version,
        label=args.label,
        timeout=args.timeout,
        retries=args.retries,
        batch_size=args.batch_size,
    )
    answer = _ask(client, args, texts, contexts)
    result = {name: values.tolist() for name, values in answer.items()}
    if args.action not in ("respond", "generate", "interpolate"):
        result["input"] = texts
    if contexts is not None:
        result["context"] = contexts
    show(args, result, _table(args, result))


# Options that some actions alone have, and what they are where none is given.
_ACTION_OPTIONS = {
    "num": {"generate": 10, "respond": 1},
    "steps": {"interpolate": 7},
    "temperature": dict.fromkeys(("respond", "reconstruct", "transfer", "generate")),
    "seed": dict.fromkeys(
        ("respond", "reconstruct", "transfer", "encode", "generate", "score"), 0
    ),
    "to": dict.fromkeys(("transfer",)),
    "turn": dict.fromkeys(("respond", "reconstruct", "encode", "score")),
    "context_column": dict.fromkeys(("respond", "reconstruct", "encode", "score")),
}


def _check_options(args):
    """Refuses the options of other actions, and fills in those of this one."""
    for name, actions in _ACTION_OPTIONS.items():
        value = getattr(args, name)
        if value is None:
            setattr(args, name, actions.get(args.action))
        elif args.action not in actions:
            flag = flag_of(name)
            raise ValueError(
                f"{flag} is for {', '.join(actions)}, not for {args.action}. "
                f"Received: {flag} {value}"
            )


def _inputs(args):
    """Returns the texts and the contexts to send, one a row, `None` for no contexts."""
    if args.data is not None and (args.text or args.turn):
        raise ValueError("Give --data, or --text and --turn, not both.")
    check_data_options(args, "context_column")
    if args.action == "respond":
        check_least(args, 1, "num")
        if args.text or args.column is not None:
            raise ValueError(
                "respond takes contexts: give their turns by --turn, or a table by "
                "--data and its --context-column."
            )
        return None, _contexts(args)
    if args.data is not None and args.context_column is not None:
        rows = _records(args, args.column or "text")
        return [row["text"] for row in rows], [row["context"] for row in rows]
    texts = _texts(args)
    return texts, args.turn and [_turns(args)] * len(texts)


def _contexts(args):
    """Returns the contexts to answer, each as often as there are responses."""
    if args.turn:
        contexts = [_turns(args)]
    elif args.data is not None:
        args.context_column = args.context_column or "context"
        contexts = [row["context"] for row in _records(args, None)]
    else:
        raise ValueError("respond needs a context: give --turn or --data.")
    return [context for context in contexts for _ in range(args.num)]


def _turns(args):
    """Returns the turns of the command line."""
    if not all(turn.split() for turn in args.turn):
        raise ValueError(f"--turn needs words. Received: {args.turn}")
    return args.turn


def _records(args, column):
    from tfvae.text.readers import read_records

    options = {"context_column": args.context_column, "header": args.header}
    return [row for _, row in read_records(args.data, column, **options)]


def _texts(args):
    from tfvae.text import read_texts

    texts = args.text
    if args.data is not None:
        texts = list(read_texts(args.data, args.column or "text", header=args.header))
    if args.action == "generate":
        if texts:
            raise ValueError("generate takes no texts; say how many by --num.")
        check_least(args, 1, "num")
    elif args.action == "interpolate":
        if len(texts) != 2:
            raise ValueError(f"interpolate takes two texts. Received: {len(texts)}")
        check_least(args, 2, "steps")
    elif not texts:
        raise ValueError(f"{args.action} needs texts: give --text or --data.")
    if args.action == "transfer" and args.to is None:
        raise ValueError("transfer needs the label that texts are to have: give --to.")
    return texts


def _ask(client, args, texts, contexts):
    options = {"seed": args.seed}
    if args.temperature is not None:
        options["temperature"] = args.temperature
    if args.action == "respond":
        return client.respond(contexts, **options)
    if args.action == "generate":
        return client.generate(args.num, **options)
    if args.action == "interpolate":
        fractions = [step / (args.steps - 1) for step in range(args.steps)]
        return client.interpolate(*texts, fractions)
    if args.action == "transfer":
        return client.transfer(texts, args.to, **options)
    return getattr(client, args.action)(texts, contexts=contexts, **options)


def _table(args, result):
    """Formats an answer for people."""
    if args.action in ("generate", "interpolate"):
        return "\n".join(result["text"])
    if args.action == "respond":
        return "\n".join(_answers(result["context"], result["text"], args.num))
    if args.action in ("reconstruct", "transfer"):
        pairs = zip(result["input"], result["text"], strict=True)
        return "\n".join(f"  {text}\n> {again}" for text, again in pairs)
    if args.action == "encode":
        rows = zip(result["mode"], result["input"], strict=True)
        return "\n".join(f"{_numbers(code)}  {text}" for code, text in rows)
    names = ("nll", "nelbo", "reconstruction", "kl", "num_tokens")
    names = [name for name in names if name in result]
    lines = [" ".join(f"{name:>14}" for name in names)]
    for row, text in enumerate(result["input"]):
        metrics = " ".join(f"{result[name][row]:14.4g}" for name in names)
        lines.append(f"{metrics}  {text}")
    return "\n".join(lines)


def _answers(contexts, texts, num):
    """Lists the turns of each context and its responses, as lines."""
    for row, (context, text) in enumerate(zip(contexts, texts, strict=True)):
        if row % num == 0:
            yield from (f"  {turn}" for turn in as_turns(context))
        yield f"> {text}"


def _numbers(values):
    return " ".join(f"{value:.3f}" for value in values)


CLIENT = Command(
    "ask a model server that serves an export",
    """\
Call a signature of an export on a TF Serving server, by gRPC or by REST. Texts are
those of --text or the lines of --data. The context that a conditional model reads is
given by --turn, or stands in a column of --data.

examples:
  tfvae client reconstruct --model vae --text "the food was good ."
  tfvae client score --model vae --data test.txt --rest --port 8501 --json -
  tfvae client generate --model vae --num 5 --seed 1 --label stable
  tfvae client interpolate --model vae --text "we waited ." "they were kind ."
  tfvae client respond --model cvae --turn "how are you ?" --turn "and you ?" --num 5
  tfvae client score --model cvae --data test.tsv --context-column context
""",
    _add_client,
    _client,
)
