"""`tfvae export`: write a trained model for TF Serving."""

HELP = "write a trained model for TF Serving"
DESCRIPTION = """\
Write the best model of a run as a SavedModel that TF Serving loads, with signatures on
plain text, warm-up requests and a model card. The version's folder appears whole or
not at all, so a server may watch the place.

example:
  tfvae export runs/vae --to saved_models/vae --measures runs/vae/test.json
"""


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument(
        "--to",
        metavar="PATH",
        help="folder of all versions (default: saved_models/ and the name of DIR)",
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="version (default: the next free one)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=10,
        metavar="N",
        help="latent samples of a likelihood (10)",
    )
    parser.add_argument(
        "--max-length",
        type=int,
        metavar="N",
        help="most words read or written (default: the run's)",
    )
    parser.add_argument(
        "--measures", metavar="FILE", help="JSON of `tfvae evaluate`, for the card"
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


def run(args):
    """Runs the command."""
    import json
    import os

    from tfvae.serving import export, export_wordpiece
    from tfvae.training import RunFolder

    if args.max_length is not None and args.max_length < 1:
        raise ValueError(f"--max-length must be positive. Received: {args.max_length}")
    measures = None
    if args.measures is not None:
        with open(args.measures, encoding="utf-8") as file:
            measures = json.load(file)
    folder = RunFolder(args.run_folder)
    name = os.path.basename(os.path.abspath(args.run_folder))
    to = args.to or os.path.join("saved_models", name)
    place = export(
        folder,
        to,
        version=args.version,
        num_samples=args.samples,
        max_length=args.max_length,
        measures=measures,
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
        )
        print(f"{place}: written; its server needs the operations of tensorflow-text")
