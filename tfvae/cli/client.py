"""`tfvae client`: ask a model server."""

from tfvae.cli.output import add_json, show

HELP = "ask a model server that serves an export"
DESCRIPTION = """\
Call a signature of an export on a TF Serving server, by gRPC or by REST. Texts are
those of --text or the lines of --data.

examples:
  tfvae client reconstruct --model vae --text "the food was good ."
  tfvae client score --model vae --data test.txt --rest --port 8501 --json -
  tfvae client generate --model vae --num 5 --seed 1 --label stable
  tfvae client interpolate --model vae --text "we waited ." "they were kind ."
"""
_ACTIONS = ("reconstruct", "encode", "generate", "interpolate", "score")


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    parser.add_argument("--data", metavar="FILE", help="sentences, one a line")
    parser.add_argument("--model", required=True, metavar="NAME", help="on the server")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, help="default: 8500, with --rest 8501")
    parser.add_argument("--rest", action="store_true", help="REST instead of gRPC")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="default: the latest")
    which.add_argument("--label", help="a version label of the server")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--retries", type=int, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="0 for the most probable words (default: 0, for generate 1)",
    )
    parser.add_argument("--num", type=int, default=10, metavar="N", help="generate")
    parser.add_argument("--steps", type=int, default=7, metavar="N", help="interpolate")
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.serving import Client

    texts = _texts(args)
    client = Client(
        args.model,
        args.host,
        args.port,
        rest=args.rest,
        version=args.version,
        label=args.label,
        timeout=args.timeout,
        retries=args.retries,
    )
    result = {
        name: values.tolist() for name, values in _ask(client, args, texts).items()
    }
    if args.action not in ("generate", "interpolate"):
        result["input"] = texts
    show(args, result, _table(args.action, result))


def _texts(args):
    from tfvae.text import read_texts

    if args.data is not None and args.text:
        raise ValueError("Give --text or --data, not both.")
    texts = args.text or (list(read_texts(args.data)) if args.data else [])
    if args.action == "generate":
        if texts:
            raise ValueError("generate takes no texts; say how many by --num.")
        if args.num < 1:
            raise ValueError(f"--num must be positive. Received: {args.num}")
    elif args.action == "interpolate":
        if len(texts) != 2:
            raise ValueError(f"interpolate takes two texts. Received: {len(texts)}")
        if args.steps < 2:
            raise ValueError(f"--steps must be at least 2. Received: {args.steps}")
    elif not texts:
        raise ValueError(f"{args.action} needs texts: give --text or --data.")
    return texts


def _ask(client, args, texts):
    written = {"seed": args.seed}
    if args.temperature is not None:
        written["temperature"] = args.temperature
    if args.action == "reconstruct":
        return client.reconstruct(texts, **written)
    if args.action == "generate":
        return client.generate(args.num, **written)
    if args.action == "interpolate":
        fractions = [step / (args.steps - 1) for step in range(args.steps)]
        return client.interpolate(*texts, fractions)
    return getattr(client, args.action)(texts, seed=args.seed)


def _table(action, result):
    """Lays out an answer for people."""
    if action in ("generate", "interpolate"):
        return "\n".join(result["text"])
    if action == "reconstruct":
        pairs = zip(result["input"], result["text"], strict=True)
        return "\n".join(f"  {text}\n> {again}" for text, again in pairs)
    if action == "encode":
        rows = zip(result["point"], result["input"], strict=True)
        return "\n".join(f"{_numbers(point)}  {text}" for point, text in rows)
    names = ("nll", "nelbo", "reconstruction", "kl", "num_tokens")
    names = [name for name in names if name in result]
    lines = [" ".join(f"{name:>14}" for name in names)]
    for row, text in enumerate(result["input"]):
        figures = " ".join(f"{result[name][row]:14.4g}" for name in names)
        lines.append(f"{figures}  {text}")
    return "\n".join(lines)


def _numbers(values):
    return " ".join(f"{value:.3f}" for value in values)
