"""`tfvae generate`: write sentences."""

from tfvae.cli.output import add_json, add_writing
from tfvae.cli.samplers import add_sampler, make_sampler
from tfvae.cli.streams import write_texts

HELP = "write sentences from a trained model"
DESCRIPTION = """\
Write sentences with the model of a run, one a line: from draws of the prior, or from
nothing where the model is a language model. With --from posterior each comes from a
draw of the posterior of a sentence of --data, in their order, over and over; with
--from aggregate the sentences are drawn at random, so that codes come from the
aggregated posterior. The same seed writes the same sentences, however many.

examples:
  tfvae generate runs/vae --num 10 --seed 1
  tfvae generate runs/vae --num 100000 --top-p 0.9 --no-unknown --out samples.txt
  tfvae generate runs/vae --from aggregate --data train.txt --beams 5
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--num", type=int, default=10, metavar="N", help="sentences")
    parser.add_argument(
        "--from",
        dest="source",
        choices=("prior", "posterior", "aggregate"),
        default="prior",
        help="where codes are drawn from (prior)",
    )
    parser.add_argument(
        "--data", metavar="FILE", help="sentences for --from posterior and aggregate"
    )
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument(
        "--out", metavar="FILE", help="write to a file, not to standard output"
    )
    parser.add_argument(
        "--batch-size", type=int, default=500, metavar="N", help="at once (500)"
    )
    add_sampler(parser, "ancestral")
    add_writing(parser)
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.models.writing import write
    from tfvae.training import RunFolder

    if args.num < 1:
        raise ValueError(f"--num must be positive. Received: {args.num}")
    if args.batch_size < 1:
        raise ValueError(f"--batch-size must be positive. Received: {args.batch_size}")
    if args.max_length < 1:
        raise ValueError(f"--max-length must be positive. Received: {args.max_length}")
    if (args.source == "prior") != (args.data is None):
        raise ValueError(
            "--data goes with --from posterior or --from aggregate, which need it. "
            f"Received: --from {args.source}, --data {args.data}"
        )
    sampler = make_sampler(args)
    model = RunFolder(args.run_folder).load_model()
    texts = write(
        model,
        args.num,
        sampler=sampler,
        codes=_codes(model, args),
        max_length=args.max_length,
        seed=args.seed,
        batch_size=args.batch_size,
    )
    write_texts(
        texts,
        args.num,
        out=args.out,
        json_path=args.json,
        fields={"seed": args.seed},
    )


def _codes(model, args):
    """Gives the codes to write from, or `None` for the prior."""
    from tfvae.models.encoding import require_latent
    from tfvae.models.writing import aggregate_codes, posterior_codes
    from tfvae.text import read_texts

    if args.source == "prior":
        return None
    require_latent(model)
    options = {"max_length": args.max_length, "seed": args.seed}
    if args.source == "aggregate":
        return aggregate_codes(model, read_texts(args.data, args.column), **options)
    return posterior_codes(model, lambda: read_texts(args.data, args.column), **options)
