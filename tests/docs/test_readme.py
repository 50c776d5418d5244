"""What the manuals tell people to type: programs, commands, options, files and rules exist.

The blocks of a page are run by bash, in an empty folder where each program only writes down how it
was called; the real program's own parser then reads that.
"""

import argparse
import importlib
import re
import shlex
import tomllib

import numpy as np
import pytest
import tifffile
from conftest import ROOT, blobs
from extension import fenced_blocks
from manuals import MANUALS, Recorder, command_blocks

from ctc_eval.cli.main import COMMANDS as JUDGE
from efficientcellseg.cli.main import COMMANDS as METHOD
from efficientcellseg.parameters.recipe import open_recipe

FOLDERS = "bench|config|ctc_eval|docs|efficientcellseg|envs|profiles|resources|tests|workflow"


def parser_of(program: str, command: str) -> argparse.ArgumentParser:
    """Give the parser of a command of the method or the judge."""
    commands = METHOD if program == "efficientcellseg" else JUDGE
    assert command in commands, f"{program} {command}: no such command"
    parser = argparse.ArgumentParser(prog=f"{program} {command}")
    module = commands[command][0]
    module = importlib.import_module(module) if isinstance(module, str) else module
    module.add_arguments(parser)
    return parser


def check_snakemake(words: list[str]) -> None:
    from snakemake.cli import get_argument_parser

    options = get_argument_parser().parse_args(words)
    texts = [path.read_text() for path in [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")]]
    rules = set(re.findall(r"^rule (\w+):", "\n".join(texts), re.MULTILINE))
    assert set(options.targets) <= rules
    assert options.workflow_profile is None or (ROOT / options.workflow_profile).is_dir()


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    for word in words[1:]:
        folder, _, extras = word.rstrip("]").partition("[")
        if folder.startswith("."):
            project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
            known = project.get("optional-dependencies", {}).keys()
            assert set(filter(None, extras.split(","))) <= known, word


def check_call(program: str, *words: str) -> None:
    """Fail where a call is not one that the program understands, or names what is not there."""
    if program == "run_seq.sh":
        program, words = "efficientcellseg", ("segment", *words)
    if program in ("efficientcellseg", "ctc-eval"):
        options = parser_of(program, words[0]).parse_args(words[1:])
        if words[0] in ("simulate", "download", "recipe"):
            open_recipe(options.recipe)
    elif program == "snakemake":
        check_snakemake(list(words))
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in words if "=" not in word} <= set(targets)
    elif program == "pip":
        check_pip(list(words))
    else:
        assert program == "pytest" or words[:2] == ("-m", "pytest") or words[0].endswith(".py")
    for word in words:
        check_file(word)


def check_file(word: str) -> None:
    """Fail where a word is a file of the project that is not there."""
    if re.match(rf"(\./)?({FOLDERS})/", word) and not re.search(r"[*<$ ]", word):
        assert (ROOT / word).exists(), word


@pytest.mark.parametrize("page", [page for page in MANUALS if command_blocks(page)])
def test_command_lines_are_understood(page, tmp_path, capsys):
    recorder = Recorder(tmp_path)
    for text in command_blocks(page):
        calls = recorder.calls(text)
        assert calls, text
        for call in calls:
            try:
                check_call(*call)
            except SystemExit:
                pytest.fail(f"{shlex.join(call)}: {capsys.readouterr().err}", pytrace=False)


@pytest.mark.parametrize("page", [*MANUALS, "docs/extending.md"])
def test_what_stands_in_a_sentence_exists(page):
    """Commands and options in backticks, files in backticks and links."""
    made = {block.file for block in fenced_blocks(ROOT / page)}
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in link or (ROOT / page).parent.joinpath(link).exists(), link
    for span in re.findall(r"`([^`]+)`", text):
        program, *words = span.split()
        if program in ("efficientcellseg", "ctc-eval") and words:
            known = parser_of(program, words[0])._option_string_actions
            assert {word for word in words if word.startswith("--")} <= known.keys(), span
        elif program in ("make", "snakemake") and words:
            check_call(program, *words)
        elif span not in made:
            check_file(span)


def test_the_call_from_python(tmp_path, monkeypatch):
    (block,) = (one for one in fenced_blocks(ROOT / "README.md") if one.language == "python")
    (tmp_path / "MyData" / "01").mkdir(parents=True)
    volume = blobs((6, 64, 80), seed=1)[0].astype(np.uint8)
    tifffile.imwrite(tmp_path / "MyData" / "01" / "t000.tif", volume)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(block.text, found)
    labels = tifffile.imread("MyData/mask000.tif")
    assert (labels.dtype, labels.shape) == (np.uint16, volume.shape)
    np.testing.assert_array_equal(labels, found["labels"])
