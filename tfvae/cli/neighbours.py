"""`tfvae neighbours`: the sentences whose codes are nearest."""

from tfvae.cli.output import add_json, show

HELP = "find the sentences of a file whose codes are nearest"
DESCRIPTION = """\
Encode the sentences of a file and find those whose codes, the posteriors' means, have
the largest cosine with that of each query; the query itself is left out. --index keeps
the codes in a file, which is used again when it exists, with or without --data.

example:
  tfvae neighbours runs/vae --data train.txt --query "the food was good ." --num 5
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument("--data", metavar="FILE", help="sentences to search")
    parser.add_argument("--column", default="text", help="of .tsv and .jsonl files")
    parser.add_argument(
        "--query",
        action="append",
        required=True,
        metavar="TEXT",
        help="a sentence; may be given again",
    )
    parser.add_argument("--num", type=int, default=5, metavar="N", help="found (5)")
    parser.add_argument(
        "--index", metavar="FILE.npz", help="codes to use again, or to write"
    )
    parser.add_argument(
        "--max-length", type=int, default=60, metavar="N", help="most words read (60)"
    )
    add_json(parser)


def run(args):
    """Runs the command."""
    from tfvae.models.encoding import require_latent
    from tfvae.models.interpolation import points_of
    from tfvae.training import RunFolder

    if args.num < 1:
        raise ValueError(f"--num must be positive. Received: {args.num}")
    if args.max_length < 1:
        raise ValueError(f"--max-length must be positive. Received: {args.max_length}")
    if args.data is None and args.index is None:
        raise ValueError("Give --data FILE, --index FILE.npz, or both.")
    model = RunFolder(args.run_folder).load_model()
    require_latent(model)
    points = points_of(model, args.query, args.max_length)
    _warn_of_unknown(model, args.query)
    index = _index(model, args)
    found = index.query(points, args.num, args.query)
    result, lines = [], []
    for query, rows in zip(args.query, found, strict=True):
        neighbours = [{"text": text, "cosine": cosine} for text, cosine in rows]
        result.append({"query": query, "neighbours": neighbours})
        lines.append(f"        {query}")
        lines += [f"{cosine:6.3f}  {text}" for text, cosine in rows]
    show(args, result, "\n".join(lines))


def _warn_of_unknown(model, queries):
    """Says on standard error which queries hold no word that the model knows."""
    import sys

    for query in queries:
        if set(model.tokenizer.encode(query)) == {model.tokenizer.unk_id}:
            print(
                f"tfvae neighbours: note: the model knows no word of {query!r}; its "
                "neighbours are those of as many unknown words.",
                file=sys.stderr,
            )


def _index(model, args):
    """Loads the index, or makes and keeps it."""
    import os

    from tfvae.evaluation.neighbours import NeighbourIndex, digest
    from tfvae.text import read_texts

    has_file = args.index is not None and os.path.exists(args.index)
    if args.data is None or has_file:
        index = NeighbourIndex.load(args.index, model)
        if args.data is not None:
            if digest(read_texts(args.data, args.column)) != digest(index.texts):
                raise ValueError(
                    f"{args.index}: the index was made of another text than "
                    f"{args.data}. Choose another file, or delete it to make it anew."
                )
        return index
    index = NeighbourIndex.build(
        model, read_texts(args.data, args.column), max_length=args.max_length
    )
    if args.index is not None:
        index.save(args.index)
    return index
