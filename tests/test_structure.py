"""Rules of the code as a whole, one test a rule."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[1] / "tfvae"
FILES = {
    str(file.relative_to(ROOT)): file.read_text("utf-8")
    for file in sorted(ROOT.rglob("*.py"))
}
# A module imports from levels before its own, and within its own room.
LEVELS = [
    {"checks", "files", "seeds", "ops"},
    {"text", "distributions"},
    {"layers"},
    {"latents", "encoders", "decoders", "samplers"},
    {"objectives"},
    {"models"},
    {"loops"},
    {"presets"},
    {"evaluation"},
    {"training"},
    {"serving", "tuning", "reporting"},
    {"cli"},
    # The package itself and what `python -m tfvae` runs.
    {"__init__", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
# Of the package itself, which all may know.
SHARED = {"__version__"}


def room_of(name):
    """Names the room of a file, or the module where it lies beside the rooms."""
    return pathlib.PurePath(name).with_suffix("").parts[0]


def imported_rooms(source):
    """Lists the rooms of tfvae that some source imports from, with line numbers."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                found.append(("relative", node.lineno))
            elif module == "tfvae":
                found += [(alias.name, node.lineno) for alias in node.names]
            elif module.startswith("tfvae."):
                found.append((module.split(".")[1], node.lineno))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("tfvae."):
                    found.append((alias.name.split(".")[1], node.lineno))
    return [(room, line) for room, line in found if room not in SHARED]


def breaches(room, source):
    """Lists the imports that a module of a room must not have."""
    return [
        f"line {line}: {room} imports {other}"
        for other, line in imported_rooms(source)
        if other != room and not LEVEL.get(other, len(LEVELS)) < LEVEL[room]
    ]


def undocumented(source):
    """Lists public classes, functions and methods without a docstring.

    A method that says it again in a subclass counts too: it is what `help` shows.
    """
    tree = ast.parse(source)
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

    def public(nodes):
        return [n for n in nodes if isinstance(n, kinds) and not n.name.startswith("_")]

    nodes = public(tree.body)
    for node in list(nodes):
        if isinstance(node, ast.ClassDef):
            nodes += public(node.body)
    missing = [node.name for node in nodes if ast.get_docstring(node) is None]
    return missing if ast.get_docstring(tree) else ["the module", *missing]


def bare_streams(source):
    """Lists the seeds that a model's pass folds bare numbers into."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", None) == "fold_in"
        and ast.unparse(node.args[0]).endswith("forward.seed")
        and isinstance(node.args[1], ast.Constant)
    ]


def asserting_functions(source):
    """Finds the functions that assert, themselves or by another one that they name.

    Returns:
        The names of all functions, and of those that do, of imported ones too.
    """
    nodes = list(ast.walk(ast.parse(source)))
    asserting = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tests."):
            path = ROOT.parent.joinpath(*node.module.split(".")).with_suffix(".py")
            if path.exists():
                found = asserting_functions(path.read_text("utf-8"))[1]
                asserting |= found & {alias.name for alias in node.names}
    nodes = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    mentioned = {node.name: set() for node in nodes}
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assert):
                mentioned[node.name].add("assert")
            elif isinstance(inner, (ast.Name, ast.Attribute)):
                mentioned[node.name].add(ast.unparse(inner).rpartition(".")[2])
    known = ("assert", "raises", "warns")
    asserting |= {
        name
        for name, words in mentioned.items()
        if any(word.lstrip("_").startswith(known) for word in words)
    }
    for _ in mentioned:
        asserting |= {name for name, words in mentioned.items() if words & asserting}
    return mentioned, asserting


def without_assertion(source):
    """Lists the tests that assert nothing."""
    names, asserting = asserting_functions(source)
    return [n for n in names if n.startswith("test_") and n not in asserting]


def test_every_room_has_a_level():
    assert {room_of(name) for name in FILES} == set(LEVEL)


def test_imports_go_one_way():
    found = {name: breaches(room_of(name), text) for name, text in FILES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_public_names_have_docstrings():
    found = {name: undocumented(text) for name, text in FILES.items() if text.strip()}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_records_seeds_have_names():
    found = {name: bare_streams(text) for name, text in FILES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_test_asserts():
    tests = sorted((ROOT.parent / "tests").rglob("test_*.py"))
    found = {str(file): without_assertion(file.read_text("utf-8")) for file in tests}
    assert {name: names for name, names in found.items() if names} == {}


def test_the_checks_find_breaches():
    assert breaches("latents", "from tfvae.objectives import KL")
    assert breaches("latents", "from tfvae.encoders.encoder import Encoder")
    assert breaches("ops", "from tfvae import seeds")
    assert breaches("layers", "import tfvae.models")
    assert breaches("text", "def f():\n    from tfvae.layers import dropout")
    assert breaches("cli", "from tfvae.unheard import of")
    assert breaches("cli", "from . import train")
    assert not breaches("objectives", "from tfvae.layers.dense import dense")
    assert not breaches("latents", "from tfvae.latents.latent import Latent")
    assert not breaches("serving", "from tfvae import __version__")
    assert undocumented('"""M."""\nclass A:\n    """A."""\n    def b(self): pass') == [
        "b"
    ]
    assert undocumented('"""M."""\ndef _hidden(): pass') == []
    assert undocumented("x = 1") == ["the module"]
    assert without_assertion("def test_a():\n    f()\ndef f(): g()") == ["test_a"]
    assert not without_assertion("def test_a():\n    f()\ndef f(): assert 1")
    assert bare_streams("fold_in(forward.seed, 101)") == [1]
    assert bare_streams("fold_in(forward.seed, Stream.MMD)") == []
