"""Every page's code runs as printed, and what the pages name is there."""

import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import typing

import pytest

from tfvae.cli.main import main
from tfvae.evaluation.metrics import GROUPS
from tfvae.presets import PRESETS, SETTINGS
from tfvae.text import write_corpus

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
# Those of methods, whose code `test_method_pages.py` checks.
ALL_PAGES = [*PAGES, *sorted((ROOT / "docs" / "methods").glob("*.md"))]
NUM_SENTENCES = {"train": 64, "valid": 32, "test": 32}
# All of one bucket of lengths, so that XLA compiles one program.
LENGTHS = range(9, 13)
NOT_RUN = re.compile(r"<!-- not run: (\S.*) -->")
# What the results are written into.
MEASURED = re.compile(r"<!-- measured: (\w+) -->\n(.*?)\n<!-- end -->", re.DOTALL)
COMMAND = re.compile(r"^\s*(?:tfvae|scripts/|\.venv/|pip|docker|curl) ?", re.MULTILINE)
IN_TREE = re.compile(r"\b(?:tfvae|tests|scripts|docs)/[\w./-]+\w")
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(typing.NamedTuple):
    """A fenced block of code.

    Attributes:
        line: Int, where it stands in its page, counted from 1.
        language: Str, the word after the fence.
        code: Str.
        marker: Str, what its marker says that it needs; empty without one.
    """

    line: int
    language: str
    code: str
    marker: str

    @property
    def is_run(self):
        """Whether it runs as it stands."""
        return not self.marker


def blocks_of(text):
    """Lists the fenced blocks of a page."""
    lines = text.splitlines()
    fences = [at for at, line in enumerate(lines) if line.startswith("```")]
    assert len(fences) % 2 == 0
    return [
        Block(
            start + 1,
            lines[start][3:],
            "\n".join(lines[start + 1 : end]) + "\n",
            "".join(NOT_RUN.findall(lines[start - 1] if start else "")),
        )
        for start, end in zip(fences[::2], fences[1::2], strict=True)
    ]


def prose_of(text):
    """Returns a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def links_of(page):
    """Lists the relative links of a page: the file each leads to, and the heading."""
    links = LINK.findall(prose_of(page.read_text("utf-8")))
    parts = [link.partition("#") for link in links if "://" not in link]
    return [
        (page.parent / path if path else page, heading) for path, _, heading in parts
    ]


def anchors_of(page):
    """Lists the names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page.read_text("utf-8")), re.MULTILINE)
    return [
        re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings
    ]


def code_blocks(page, languages=("python", "bash")):
    """Lists the blocks of a page that are code."""
    return [b for b in blocks_of(page.read_text("utf-8")) if b.language in languages]


def table_after(text, header):
    """Reads the first table whose header begins so: lists of cells, a list a row."""
    lines = iter(text[text.index(header) :].splitlines()[2:])
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def run_python(block, page, namespace):
    """Executes a block; a traceback names the line of the page."""
    exec(compile("\n" * block.line + block.code, page, "exec"), namespace)


def run_shell(code):
    """Runs commands, those of the library in this process, else by a shell."""
    lines = code.replace("\\\n", " ").splitlines()
    if all(line.startswith("tfvae ") for line in lines):
        for line in lines:
            assert main(shlex.split(line)[1:]) == 0, line
        return
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(["bash", "-euc", code], env=environment, check=True, timeout=300)


def run_page(page, languages=("python", "bash")):
    """Runs the blocks of a page in their order, the Python ones in one namespace.

    Returns:
        List of the lines of those that were run.
    """
    namespace = {"__name__": "page"}
    done = []
    for block in code_blocks(page, languages):
        if not block.is_run:
            continue
        if block.language == "python":
            run_python(block, str(page), namespace)
        else:
            run_shell(block.code)
        done.append(block.line)
    return done


def write_texts(folder, **sizes):
    """Writes short sentences of the grammar corpus as `.txt` and `.tsv` files."""
    sizes = NUM_SENTENCES | sizes
    write_corpus(folder, *[2 * number for number in sizes.values()])
    for split, number in sizes.items():
        path = folder / f"{split}.tsv"
        header, *rows = path.read_text("utf-8").splitlines()
        texts = {row: row.split("\t")[0] for row in rows}
        kept = [row for row in rows if len(texts[row].split()) in LENGTHS][:number]
        assert header.startswith("text\t") and len(kept) == number
        path.write_text("\n".join([header, *kept]), "utf-8")
        path.with_suffix(".txt").write_text("\n".join(map(texts.get, kept)), "utf-8")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The folder of the texts that the pages name."""
    folder = tmp_path_factory.mktemp("corpus")
    write_texts(folder)
    return folder


@pytest.fixture(scope="module")
def runs(corpus):
    """The same with the runs that pages about trained models name."""
    command = code_blocks(ROOT / "docs" / "training.md")[0].code
    other = command.replace("train vae", "train language_model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(corpus)
        run_shell(command)
        run_shell(other.replace("runs/vae", "runs/lm"))
    return corpus / "runs"


@pytest.fixture
def enter(tmp_path, corpus, monkeypatch):
    """Makes a new folder with the texts, and the runs given, the working directory."""

    def make(runs=None):
        folder = tmp_path / "here"
        shutil.copytree(corpus, folder, ignore=shutil.ignore_patterns("runs"))
        (folder / "scripts").symlink_to(ROOT / "scripts")
        if runs is not None:
            shutil.copytree(runs, folder / "runs")
        monkeypatch.chdir(folder)

    return make


def check_page(page, languages=("python", "bash")):
    """Runs a page; all blocks without a marker must have run."""
    wanted = [b.line for b in code_blocks(page, languages) if b.is_run]
    assert wanted
    assert run_page(page, languages) == wanted


PAGES_WITH_CODE = [page for page in PAGES[1:] if code_blocks(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_a_page_runs(page, enter, request):
    text = page.read_text("utf-8")
    needs_runs = page.name != "training.md" and "runs/vae" in text
    enter(request.getfixturevalue("runs") if needs_runs else None)
    check_page(page)


def test_the_readmes_python_runs(enter):
    enter()
    check_page(README, ["python"])


@pytest.mark.slow
def test_the_readmes_commands_run(enter):
    enter()
    check_page(README, ["bash"])


def name_of(page):
    """Names a page in the ids of tests."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_code_is_marked_as_code(page):
    for block in blocks_of(page.read_text("utf-8")):
        assert block.language in ("python", "bash", "text"), block
        if block.language == "text":
            assert not COMMAND.search(block.code), block
    text = MEASURED.sub("", page.read_text("utf-8"))
    markers = [line for line in text.splitlines() if "<!--" in line]
    assert len(markers) == sum(not b.is_run for b in code_blocks(page))


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_a_page_starts_with_code_that_works(page):
    first = code_blocks(page)[0]
    assert first.is_run
    assert first.line == 3


@pytest.mark.parametrize(
    "page", [*ALL_PAGES, ROOT / "tfvae" / "CHANGELOG.md"], ids=name_of
)
def test_files_that_a_page_names_exist(page):
    links = links_of(page)
    assert [path for path, _ in links if not path.exists()] == []
    assert [
        (path, heading)
        for path, heading in links
        if heading and heading not in anchors_of(path)
    ] == []
    if page.name != "CHANGELOG.md":
        named = IN_TREE.findall(prose_of(page.read_text("utf-8")))
        assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("index", [README, ROOT / "docs" / "methods" / "README.md"])
def test_every_page_is_linked_from_its_index(index):
    folder = ROOT / "docs" if index == README else index.parent
    pages = {page for page in folder.glob("*.md") if page != index}
    # The index of a folder below stands for its pages.
    pages |= set(folder.glob("*/README.md"))
    assert pages <= {path.resolve() for path, _ in links_of(index)}


def test_the_readme_is_short():
    assert len(README.read_text("utf-8").splitlines()) <= 150


def test_the_readme_lists_every_preset():
    rows = table_after(README.read_text("utf-8"), "| name | method | paper |")
    names, coupled = [], []
    for name, method, _ in rows:
        if name == "`coupled_<name>`":
            coupled = [f"coupled_{base}" for base in re.findall(r"`(\w+)`", method)]
        else:
            names += re.findall(r"`(\w+)`", name)
    assert len(names + coupled) == len(PRESETS)
    assert set(names) | set(coupled) == set(PRESETS)


def test_the_readme_names_settings_and_packages():
    text = README.read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "tfvae").glob("*/__init__.py")}
    assert {name for name in {*SETTINGS, *rooms} if f"`{name}`" not in text} == set()


def test_the_groups_of_metrics_are_listed():
    text = (ROOT / "docs" / "evaluating.md").read_text("utf-8")
    rows = table_after(text, "| group | metrics |")
    assert [row[0].strip("`") for row in rows] == list(GROUPS)


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_figures_are_in_results_alone(page):
    text = MEASURED.sub("", page.read_text("utf-8"))
    rows = [row for row in text.splitlines() if row.startswith("|")]
    measured = [r for r in rows if re.search(r"\| -?\d+\.\d+ ", r)]
    assert bool(measured) == (page.name == "results.md")


def test_a_marker_needs_a_reason():
    text = "a\n<!-- not run: it would -->\n```bash\nb\n```\n<!-- not run: -->\n"
    text += "```text\n```"
    assert [block.is_run for block in blocks_of(text)] == [False, True]
    assert blocks_of(text)[0][:3] == (3, "bash", "b\n")
