"""`tfvae encode` and `neighbours`: the codes of sentences, kept and searched."""

import os

from tfvae.cli.options import (
    Command,
    add_json,
    add_number,
    check_least,
    check_outputs,
    show,
    writing_to,
)
from tfvae.cli.reading import (
    Reader,
    add_column,
    add_label,
    add_label_column,
    add_limits,
    add_run,
    add_turn,
    check_data_options,
    load_run,
    note,
)


def _add_encode(parser):
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="FILE", help="sentences")
    add_column(parser)
    add_label_column(parser)
    add_limits(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="codes.npz or codes.tsv"
    )
    add_number(
        parser, "--samples", "samples of each posterior (its mode alone)", metavar="S"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def _encode(args):
    from tfvae.models.writing import encode, require_latent

    check_least(args, 1, "samples", "max_length")
    check_outputs(args, "out", suffixes=tuple(_CODE_WRITERS))
    configuration, model = load_run(args)
    require_latent(model)
    reader = Reader(args, configuration, model)
    lines = []

    def remembered():
        for line, row in reader.rows():
            lines.append(line)
            yield row

    batches = encode(
        model,
        remembered(),
        num_samples=args.samples,
        max_length=reader.max_length,
        max_context_length=reader.max_context_length,
        seed=args.seed,
    )
    suffix = os.path.splitext(args.out)[1].lower()
    _CODE_WRITERS[suffix](args.out, (codes for _, codes in batches), lines)
    print(f"{args.out}: written, sentences: {len(lines)}")


def _write_npz(path, batches, lines):
    """Writes `codes`, `[N, Z]` or `[S, N, Z]`, and `lines`, `[N]`."""
    import numpy as np

    codes = np.concatenate(list(batches), axis=-2)
    with writing_to(path, "wb") as file:
        np.savez(file, codes=codes, lines=np.asarray(lines, np.int64))


def _write_tsv(path, batches, lines):
    """Writes a row a code: its line, its sample where there are some, its numbers."""
    with writing_to(path) as file:
        done = 0
        for codes in batches:
            has_samples = codes.ndim == 3
            if done == 0:
                names = ["line", *["sample"] * has_samples]
                names += [f"z{number + 1}" for number in range(codes.shape[-1])]
                file.write("\t".join(names) + "\n")
            for row, line in enumerate(lines[done : done + codes.shape[-2]]):
                samples = codes[:, row] if has_samples else codes[row : row + 1]
                for number, code in enumerate(samples.tolist(), 1):
                    place = [line, number] if has_samples else [line]
                    numbers = [f"{value:.9g}" for value in code]
                    file.write("\t".join([*map(str, place), *numbers]) + "\n")
            done += codes.shape[-2]


_CODE_WRITERS = {".npz": _write_npz, ".tsv": _write_tsv}

ENCODE = Command(
    "write the codes of the sentences of a file, for a classifier",
    """\
Encode each sentence of a file into its posterior's mode, or into --samples samples of
the posterior, and write the codes in the order of the lines:
  codes.npz   arrays for NumPy: `codes`, float32 [N, Z] (with --samples [S, N, Z]), and
              `lines`, the number of each sentence's line
  codes.tsv   a row a code: line, sample (with --samples), z1, z2, ...
Blank lines have no code; the numbers of the lines tell which are missing. A run with
contexts reads them from its own columns of the file.

example:
  tfvae encode runs/vae --data train.txt --out codes.npz
""",
    _add_encode,
    _encode,
)


def _add_neighbours(parser):
    add_run(parser)
    parser.add_argument("--data", metavar="FILE", help="sentences to search")
    add_column(parser)
    add_limits(parser)
    parser.add_argument(
        "--query",
        action="append",
        required=True,
        metavar="TEXT",
        help="a sentence; may be given again",
    )
    add_turn(parser, "that the queries answer")
    add_label(parser, "the queries")
    add_label_column(parser)
    add_number(parser, "--num", "found (5)", 5)
    parser.add_argument(
        "--index", metavar="FILE.npz", help="codes to use again, or to write"
    )
    add_json(parser)


def _neighbours(args):
    from tfvae.models.writing import encode_means, require_latent

    check_least(args, 1, "num", "max_length")
    check_outputs(args, "json", "index")
    if args.data is None and args.index is None:
        raise ValueError("Give --data FILE, --index FILE.npz, or both.")
    check_data_options(args, "label_column")
    configuration, model = load_run(args)
    require_latent(model)
    reader = Reader(args, configuration, model)
    reader.check(args.query)
    context, label = reader.context(args.turn), reader.label(args.label)
    codes = encode_means(
        model,
        args.query,
        reader.max_length,
        contexts=None if context is None else [context] * len(args.query),
        labels=None if label is None else [label] * len(args.query),
        max_context_length=reader.max_context_length,
    )
    _warn_of_unknown(model, args)
    index = _index(model, reader, args)
    result, lines = [], []
    found = index.query_places(codes, args.num, args.query)
    for query, rows in zip(args.query, found, strict=True):
        neighbours = [
            {**index.record(place), "cosine": cosine} for place, cosine in rows
        ]
        result.append({"query": query, "neighbours": neighbours})
        lines.append(f"        {query}")
        lines += [f"{row['cosine']:6.3f}  {row['text']}" for row in neighbours]
    show(args, result, "\n".join(lines))


def _warn_of_unknown(model, args):
    """Notes the queries of which the model knows no word."""
    for query in args.query:
        if set(model.tokenizer.encode(query)) == {model.tokenizer.unk_id}:
            note(
                args,
                f"the model knows no word of {query!r}; its neighbours are those of as "
                "many unknown words.",
            )


def _index(model, reader, args):
    """Loads the index, or builds and keeps it."""
    from tfvae.evaluation.neighbours import NeighbourIndex, digest

    has_file = args.index is not None and os.path.exists(args.index)
    if args.data is None or has_file:
        index = NeighbourIndex.load(args.index, model)
        if args.data is not None and digest(reader.texts()) != digest(index.rows):
            raise ValueError(
                f"{args.index}: the index was made of another text than {args.data}. "
                "Choose another file, or delete it to make it anew."
            )
        return index
    lines, rows = zip(*reader.rows(), strict=True)
    index = NeighbourIndex.build(
        model,
        rows,
        lines=lines,
        max_length=reader.max_length,
        max_context_length=reader.max_context_length,
    )
    if args.index is not None:
        index.save(args.index)
    return index


NEIGHBOURS = Command(
    "find the sentences of a file whose codes are nearest",
    """\
Encode the sentences of a file and find those whose codes, the posteriors' modes, have
the largest cosine with that of each query; the query itself is left out. --index keeps
the codes in a file, which is used again when it exists, with or without --data. The
JSON holds the number of each sentence's line. In a run with contexts a code is that of
a sentence in its context: --turn gives that of the queries.

example:
  tfvae neighbours runs/vae --data train.txt --query "the food was good ." --num 5
""",
    _add_neighbours,
    _neighbours,
)
