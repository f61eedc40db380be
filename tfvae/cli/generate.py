"""`tfvae generate`: write sentences."""

from tfvae.cli.output import add_json, add_writing, show

HELP = "write sentences from the prior of a trained model"
DESCRIPTION = """\
Write sentences with the model of a run, one a line: from draws of the prior, or from
nothing where the model is a language model. Words are drawn from the model's own
distribution unless --temperature or --greedy says otherwise.

example:
  tfvae generate runs/vae --num 10 --seed 1
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--num", type=int, default=10, metavar="N", help="sentences")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--temperature", type=float, default=1.0, metavar="T")
    how.add_argument("--greedy", action="store_true", help="most probable words")
    add_writing(parser)
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.models.sampling import Ancestral, Greedy
    from tfvae.models.writing import write
    from tfvae.training import RunFolder

    sampler = Greedy() if args.greedy else Ancestral(args.temperature)
    if args.num < 1:
        raise ValueError(f"--num must be positive. Received: {args.num}")
    model = RunFolder(args.run_folder).load_model()
    texts = list(
        write(
            model,
            args.num,
            sampler=sampler,
            max_length=args.max_length,
            seed=args.seed,
        )
    )
    show(args, {"texts": texts, "seed": args.seed}, "\n".join(texts))
