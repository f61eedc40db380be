"""A page for each method, by one skeleton; its code names what there is.

All that the pages print runs on a few sentences, each page in a slow test. Always,
commands are read by the command's own parser and checked as a run's configuration;
Python runs up to the model, which is put together from checked arguments and neither
built nor trained.
"""

import argparse
import re
import shlex
import shutil
from unittest import mock

import pytest

from tests.test_docs import (
    MEASURED,
    ROOT,
    blocks_of,
    check_page,
    code_blocks,
    name_of,
    run_python,
    write_texts,
)
from tfvae.cli.train import TRAIN, make_configuration
from tfvae.presets import PRESETS, ModelBuilder

METHODS = ROOT / "docs" / "methods"
INDEX = METHODS / "README.md"
REMEDIES = ROOT / "docs" / "which-remedy.md"
PAGES = sorted(set(METHODS.glob("*.md")) - {INDEX})
SKELETON = [
    "Idea",
    "Formula",
    "Deviations",
    "Limits",
    "Command",
    "Measured",
    "Related",
]
WITHOUT_LATENT = {"language_model", "seq2seq"}
# Many forms, one method.
COUPLED = "coupled"
TRAINS = re.compile(r"tfvae train [^`\n]+")


def page_name(preset):
    """Names the page of a preset, without its suffix."""
    return preset.name if preset.coupled_form_of is None else COUPLED


def commands_of(text):
    """Lists the commands of a page that train, in blocks and in sentences."""
    return [each.strip() for each in TRAINS.findall(text.replace("\\\n", " "))]


def configuration_of(command):
    """Reads a command that trains; what a sentence leaves out of it is added."""
    arguments = shlex.split(command)[2:]
    for name in ("--train", "--out"):
        if name not in arguments:
            arguments += [name, "left-out"]
    parser = argparse.ArgumentParser()
    TRAIN.add_arguments(parser)
    return make_configuration(parser.parse_args(arguments))


def sections_of(text):
    """Splits a page at its headings of the second level: a list of pairs."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def listed_in(index):
    """Lists the rows of an index: pairs of a preset's name and its page's."""
    row = re.compile(
        r"^\| `([\w<>]+)` \| .+ \| \[page\]\((\w+)\.md\) \|$", re.MULTILINE
    )
    return row.findall(index.read_text("utf-8"))


def test_every_preset_has_a_page_and_every_page_a_preset():
    wanted = {page_name(preset) for preset in PRESETS.values()}
    assert {page.stem for page in PAGES} == wanted


def test_the_index_has_a_row_for_each():
    rows = listed_in(INDEX)
    wanted = {(page_name(preset), page_name(preset)) for preset in PRESETS.values()}
    wanted = {row for row in wanted if row[0] != COUPLED} | {
        ("coupled_<name>", COUPLED)
    }
    assert sorted(rows) == sorted(wanted)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_follows_the_skeleton(page):
    sections = sections_of(page.read_text("utf-8"))
    assert [heading for heading, _ in sections] == SKELETON
    assert [heading for heading, text in sections if not text.strip()] == []
    content = dict(sections)
    assert [block.language for block in blocks_of(content["Formula"])] == ["text"]
    assert [b.language for b in blocks_of(content["Command"])] == ["bash", "python"]
    assert [name for name, _ in MEASURED.findall(content["Measured"])] == [page.stem]
    assert f"<!-- measured: {page.stem} -->" in content["Measured"]


def test_the_remedies_have_a_place_for_what_was_measured():
    assert [name for name, _ in MEASURED.findall(REMEDIES.read_text("utf-8"))] == [
        "table"
    ]


@pytest.mark.parametrize("page", [REMEDIES, *PAGES], ids=name_of)
def test_commands_name_what_there_is(page):
    commands = commands_of(page.read_text("utf-8"))
    assert commands
    presets = {configuration_of(command).preset for command in commands}
    if page != REMEDIES:
        assert page.stem in {page_name(PRESETS[preset]) for preset in presets}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_names_what_there_is(page, texts, monkeypatch):
    monkeypatch.chdir(texts)
    assembled = []
    for method in ("vae", "language_model"):
        monkeypatch.setattr(
            ModelBuilder,
            method,
            lambda *args, method=method, **options: (
                assembled.append(method) or mock.Mock(spec=["fit"])
            ),
        )
    (block,) = code_blocks(page, ["python"])
    assert block.is_run
    namespace = {"__name__": "page"}
    run_python(block, str(page), namespace)
    name = "language_model" if page.stem in WITHOUT_LATENT else "vae"
    assert assembled == [name]
    assert namespace["model"].fit.call_count == 1


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder of the texts that the pages name."""
    folder = tmp_path_factory.mktemp("texts")
    # The largest batch of a setting.
    write_texts(folder, train=128)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs(page, texts, tmp_path, monkeypatch):
    shutil.copytree(texts, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    check_page(page)


@pytest.mark.parametrize(
    "command, error",
    [
        ("tfvae train vaee", "Did you mean 'vae'"),
        ("tfvae train beta_vae --set bta=0.5", "Did you mean 'beta'"),
        ("tfvae train beta_vae --set beta=high", "must be a float"),
        ("tfvae train vae --setting ptb", "no setting 'ptb'"),
    ],
)
def test_a_wrong_command_is_found(command, error):
    with pytest.raises(ValueError, match=error):
        configuration_of(command)


def test_commands_are_found_in_blocks_and_sentences():
    text = "Use `tfvae train vae --set a=1`:\n"
    text += "```bash\ntfvae train dae \\\n  --steps 3\n```"
    assert [shlex.split(command)[2:] for command in commands_of(text)] == [
        ["vae", "--set", "a=1"],
        ["dae", "--steps", "3"],
    ]
