"""The direction of imports, docstrings and the size of files."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "tfvae"
FILES = sorted(ROOT.rglob("*.py"))
# A module imports from levels before its own, and within its own folder.
LEVELS = [
    {"version"},
    {"seeds", "kernels"},
    {"text", "distributions"},
    {"layers"},
    {"latents", "encoders", "decoders"},
    {"objectives"},
    {"models"},
    {"presets"},
    {"training", "evaluation"},
    {"serving", "tuning", "reporting"},
    {"cli"},
    # The package itself and what `python -m tfvae` runs.
    {"__init__", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
MOST_LINES = 300


def name_of(file):
    return str(file.relative_to(ROOT))


def folder_of(file):
    """Names the folder, or the module where it lies beside the folders."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imported_folders(source):
    """Lists the folders of tfvae that some source imports from, with line numbers."""
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
    return found


def breaches(folder, source):
    """Lists the imports that a module of a folder must not have."""
    return [
        f"line {line}: {folder} imports {other}"
        for other, line in imported_folders(source)
        if other != folder and not LEVEL.get(other, len(LEVELS)) < LEVEL[folder]
    ]


def is_public(node):
    return not node.name.startswith("_")


def undocumented(source):
    """Lists public classes, functions and methods without a docstring.

    A method that says it again in a subclass counts too: it is what `help` shows.
    """
    tree = ast.parse(source)
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in tree.body if isinstance(node, kinds) and is_public(node)]
    for node in list(nodes):
        if isinstance(node, ast.ClassDef):
            inner = [child for child in node.body if isinstance(child, kinds)]
            nodes += [child for child in inner if is_public(child)]
    missing = [node.name for node in nodes if ast.get_docstring(node) is None]
    return missing if ast.get_docstring(tree) else ["the module", *missing]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_go_one_way(file):
    assert folder_of(file) in LEVEL, "a new folder needs a level"
    assert breaches(folder_of(file), file.read_text("utf-8")) == []


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_public_names_have_docstrings(file):
    source = file.read_text("utf-8")
    assert undocumented(source) == [] or not source.strip()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_short(file):
    assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES


def test_the_checks_find_breaches():
    assert breaches("latents", "from tfvae.objectives import KL")
    assert breaches("latents", "from tfvae.encoders.encoder import Encoder")
    assert breaches("kernels", "from tfvae import seeds")
    assert breaches("layers", "import tfvae.models")
    assert breaches("text", "def f():\n    from tfvae.layers import dropout")
    assert breaches("cli", "from tfvae.unheard import of")
    assert breaches("cli", "from . import train")
    assert not breaches("objectives", "from tfvae.layers.dense import dense")
    assert not breaches("latents", "from tfvae.latents.latent import Latent")
    assert undocumented('"""M."""\nclass A:\n    """A."""\n    def b(self): pass') == [
        "b"
    ]
    assert undocumented('"""M."""\ndef _hidden(): pass') == []
    assert undocumented("x = 1") == ["the module"]
