"""`tfvae interpolate`: the sentences between two."""

from tfvae.cli.output import add_json, add_writing, show
from tfvae.cli.samplers import add_sampler, make_sampler

HELP = "write the sentences between two, or do arithmetic with them"
DESCRIPTION = """\
Encode two sentences and write what lies between their codes, both ends included, the
most probable word at each step: on the straight line, or on the great circle where
codes lie on a sphere. With --prior the ends are two draws of the prior. With --minus
and --plus the way goes from one sentence to the sum, code - minus + plus.

examples:
  tfvae interpolate runs/vae "the food was good ." "we waited an hour ." --steps 7
  tfvae interpolate runs/vae --prior --seed 3
  tfvae interpolate runs/vae "the food was good ." --minus "it was good ." \\
      --plus "it was bad ." --steps 2
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="the two sentences")
    parser.add_argument(
        "--prior", action="store_true", help="between two draws of the prior"
    )
    for name, what in (("minus", "taken off"), ("plus", "added")):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="TEXT",
            help=f"a sentence whose code is {what}; may be given again",
        )
    parser.add_argument(
        "--steps", type=int, default=7, metavar="N", help="sentences written (7)"
    )
    parser.add_argument(
        "--path",
        choices=("auto", "line", "sphere"),
        default="auto",
        help="straight line or great circle (auto: where the posterior's codes lie)",
    )
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.models.encoding import require_latent
    from tfvae.models.interpolation import walk
    from tfvae.training import RunFolder

    _check(args)
    sampler = make_sampler(args)
    model = RunFolder(args.run_folder).load_model()
    require_latent(model)
    first, last = _ends(model, args)
    rows = walk(
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


def _check(args):
    """Refuses ends that do not fit together."""
    if args.steps < 2:
        raise ValueError(f"--steps must be at least 2. Received: {args.steps}")
    if args.max_length < 1:
        raise ValueError(f"--max-length must be positive. Received: {args.max_length}")
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
    """Gives the first and the last code."""
    from tfvae.kernels.paths import vector_arithmetic
    from tfvae.models.interpolation import points_of, prior_ends

    if args.prior:
        return prior_ends(model, args.seed)
    texts = [*args.texts, *args.minus, *args.plus]
    points = points_of(model, texts, args.max_length)
    if not (args.minus or args.plus):
        return points
    plus = 1 + len(args.minus)
    support = model.posterior.support
    return points[0], vector_arithmetic(
        points[0], points[1:plus], points[plus:], support
    )
