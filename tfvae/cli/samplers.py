"""Arguments that say how words are chosen, shared by subcommands that write."""

# The options that each sampler takes, beside --no-unknown.
_OPTIONS = {
    "greedy": (),
    "ancestral": ("temperature",),
    "top_k": ("top_k", "temperature"),
    "nucleus": ("top_p", "temperature"),
    "beam": ("beams", "length_normalization"),
}
# The sampler that an option alone asks for.
_IMPLIED = {
    "top_k": "top_k",
    "top_p": "nucleus",
    "beams": "beam",
    "length_normalization": "beam",
    "temperature": "ancestral",
}
_ALLOWED = {
    "temperature": ("must be positive", lambda value: value > 0),
    "top_k": ("must be at least 1", lambda value: value >= 1),
    "top_p": ("must be in (0, 1]", lambda value: 0 < value <= 1),
    "beams": ("must be at least 1", lambda value: value >= 1),
    "length_normalization": ("must not be negative", lambda value: value >= 0),
}


def add_sampler(parser, default):
    """Declares how words are chosen.

    Args:
        parser: Argument parser.
        default: Str, the sampler where no argument asks for another.
    """
    group = parser.add_argument_group(
        "choice of words", f"{default} unless an option implies another"
    )
    group.add_argument(
        "--sampler",
        choices=sorted(_OPTIONS),
        help="greedy: the most probable word; ancestral: a draw; top_k, nucleus: a "
        "draw from the likeliest; beam: the likeliest sentence of a search",
    )
    group.add_argument(
        "--greedy", action="store_true", help="short for --sampler greedy"
    )
    group.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="of draws: below 1 likelier words, above 1 more variety (1)",
    )
    group.add_argument("--top-k", type=int, metavar="K", help="likeliest words (40)")
    group.add_argument(
        "--top-p", type=float, metavar="P", help="mass of the likeliest words (0.9)"
    )
    group.add_argument("--beams", type=int, metavar="N", help="width of beam (5)")
    group.add_argument(
        "--length-normalization",
        type=float,
        metavar="A",
        help="of beam: log-probability is divided by length ** A (0)",
    )
    group.add_argument(
        "--no-unknown", action="store_true", help="never write the unknown word"
    )
    parser.set_defaults(default_sampler=default)


def make_sampler(args):
    """Makes the sampler that the arguments ask for.

    Args:
        args: Parsed arguments of `add_sampler`.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: If a value is out of range, or an option goes with another
            sampler.
    """
    from tfvae.models.beam_search import BeamSearch
    from tfvae.models.sampling import Ancestral, Greedy, Nucleus, TopK

    given = {
        name: getattr(args, name)
        for name in _ALLOWED
        if getattr(args, name) is not None
    }
    for name, value in given.items():
        rule, is_allowed = _ALLOWED[name]
        if not is_allowed(value):
            raise ValueError(f"{_flag(name)} {rule}. Received: {value}")
    sampler = _chosen(args, given)
    for name in given:
        if name not in _OPTIONS[sampler]:
            raise ValueError(
                f"{_flag(name)} does not go with --sampler {sampler}; it is for "
                f"{', '.join(key for key in _OPTIONS if name in _OPTIONS[key])}."
            )
    makers = {
        "greedy": Greedy,
        "ancestral": Ancestral,
        "top_k": TopK,
        "nucleus": Nucleus,
        "beam": BeamSearch,
    }
    names = {"top_k": "k", "top_p": "p", "beams": "num_beams"}
    options = {names.get(name, name): value for name, value in given.items()}
    return makers[sampler](**options, allow_unknown=not args.no_unknown)


def _chosen(args, given):
    """Names the sampler that is asked for, in so many words or by its options."""
    if args.greedy and args.sampler not in (None, "greedy"):
        raise ValueError(f"--greedy does not go with --sampler {args.sampler}.")
    if args.greedy:
        return "greedy"
    if args.sampler is not None:
        return args.sampler
    for name, sampler in _IMPLIED.items():
        if name in given:
            return sampler
    return args.default_sampler


def _flag(name):
    return "--" + name.replace("_", "-")
