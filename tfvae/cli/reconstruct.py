"""`tfvae reconstruct`: encode sentences and write them again."""

from tfvae.cli.output import add_json, add_writing, show
from tfvae.cli.samplers import add_sampler, make_sampler

HELP = "encode the sentences of a file and write them again"
DESCRIPTION = """\
Encode each sentence of a file and write it again, the most probable word at each step:
from the posterior's mean, or from --samples draws of the posterior. Prints the
sentence, then what the model made of it.

example:
  tfvae reconstruct runs/vae --data test.txt --num 20
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences")
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument("--num", type=int, metavar="N", help="only the first N")
    parser.add_argument(
        "--samples",
        type=int,
        metavar="S",
        help="draws of each posterior (its mean alone)",
    )
    add_sampler(parser, "greedy")
    add_writing(parser)
    add_json(parser)


def run(args):
    """Runs the command."""
    import itertools

    from tfvae.models.writing import reconstruct
    from tfvae.text import read_texts
    from tfvae.training import RunFolder

    for name in ("num", "samples", "max_length"):
        value = getattr(args, name)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must be positive. Received: {value}")
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
    for number, (text, again) in enumerate(pairs):
        if number % (args.samples or 1) == 0:
            lines.append(f"  {text}")
        lines.append(f"> {again}")
        result.append({"text": text, "reconstruction": again})
    show(args, result, "\n".join(lines))
