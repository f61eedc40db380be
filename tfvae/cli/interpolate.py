"""`tfvae interpolate`: the sentences between two."""

from tfvae.cli.output import add_json, show

HELP = "write the sentences between two"
DESCRIPTION = """\
Encode two sentences and write what lies on the straight line between their codes,
both ends included, the most probable word at each step.

example:
  tfvae interpolate runs/vae "the food was good ." "we waited an hour ." --steps 7
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("text_a", metavar="TEXT_A")
    parser.add_argument("text_b", metavar="TEXT_B")
    parser.add_argument(
        "--steps", type=int, default=7, metavar="N", help="sentences written (7)"
    )
    parser.add_argument(
        "--max-length", type=int, default=60, metavar="N", help="most words (60)"
    )
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.models.writing import interpolate
    from tfvae.training import RunFolder

    model = RunFolder(args.run_folder).load_model()
    rows = interpolate(
        model,
        args.text_a,
        args.text_b,
        num_steps=args.steps,
        max_length=args.max_length,
    )
    result = [{"fraction": fraction, "text": text} for fraction, text in rows]
    lines = [f"  {args.text_a}"]
    lines += [f"{fraction:4.2f}  {text}" for fraction, text in rows]
    show(args, result, "\n".join([*lines, f"  {args.text_b}"]))
