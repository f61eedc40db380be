"""`tfvae reconstruct`: encode sentences and write them again."""

from tfvae.cli.output import add_json, add_writing, show

HELP = "encode the sentences of a file and write them again"
DESCRIPTION = """\
Encode each sentence of a file and write it again from the posterior's mean, the most
probable word at each step. Prints pairs of lines: the sentence, then what the model
made of it.

example:
  tfvae reconstruct runs/vae --data test.txt --num 20
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences")
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument("--num", type=int, metavar="N", help="only the first N")
    add_writing(parser)
    add_json(parser)


def run(args):
    """Runs the command."""
    import itertools

    from tfvae.models.writing import reconstruct
    from tfvae.text import read_texts
    from tfvae.training import RunFolder

    if args.num is not None and args.num < 1:
        raise ValueError(f"--num must be positive. Received: {args.num}")
    model = RunFolder(args.run_folder).load_model()
    texts = itertools.islice(read_texts(args.data, args.column), args.num)
    pairs = list(reconstruct(model, texts, max_length=args.max_length, seed=args.seed))
    result = [{"text": text, "reconstruction": again} for text, again in pairs]
    show(args, result, "\n".join(f"  {a}\n> {b}" for a, b in pairs))
