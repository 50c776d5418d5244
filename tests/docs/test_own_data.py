"""docs/own-data.md: its kinds of files are those that are tested, and its commands are true."""

import ast
import importlib.util
import re

import nbformat
import numpy as np
import pytest
import tifffile
from commands import run
from conftest import ROOT
from extension import fenced_blocks
from own_files import KINDS, SIZE, Kind, plain, png, values_for
from PIL import Image

from ctc_eval.format import read_volume

PAGE = (ROOT / "docs" / "own-data.md").read_text()


def test_the_table_lists_the_kinds_that_are_tested():
    rows = re.findall(r"^\| (.+?) \| `(efficientcellseg segment .+?)` \|", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == list(KINDS)
    for name, command in rows:
        assert command.split()[3:] == list(KINDS[name].options), name


def labels_of(path, volume, kind, folder):
    options = ["--output", folder, "--device", "cpu", "-q", *kind.options]
    assert run("segment", kind.make(path, volume), *options) == 0
    (file,) = folder.glob("*_labels.tif")
    return tifffile.imread(file)


@pytest.fixture(scope="module")
def embryo(data_root):
    path = data_root / "BBBC050" / "05" / "t003.tif"
    if not path.is_file():
        pytest.skip(f"{path}: not there; place it by hand")
    return read_volume(path)[12:32]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_cells_are_those_of_the_plain_tiff(name, embryo, tmp_path):
    kind = KINDS[name]
    if kind.needs and importlib.util.find_spec(kind.needs) is None:
        pytest.skip(f"{kind.needs} is not installed; it is optional")
    volume = values_for(kind, embryo)
    if kind.values == "jpeg":  # what it makes of the plane, which decodes to the same again
        volume = np.asarray(Image.open(kind.make(tmp_path / "a", volume)))[None]
        kind = kind._replace(make=lambda path, _: tmp_path / "a.jpg")
    simple = Kind(plain, ["--axes", "ZYX", *SIZE]) if len(volume) > 1 else Kind(png)
    found = labels_of(tmp_path / "b", volume, kind, tmp_path / "own")
    expected = labels_of(tmp_path / "c", volume, simple, tmp_path / "plain")
    assert expected.max() >= 2
    np.testing.assert_array_equal(found, expected)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"[0-9]+", text)]


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_it_shows(monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(ROOT / "docs" / "own-data.ipynb", as_version=4)
    nbformat.validate(notebook)
    names: dict[str, object] = {}
    for cell in (one for one in notebook.cells if one.cell_type == "code"):
        *statements, last = ast.parse(cell.source).body
        exec(compile(ast.Module(statements, []), "own-data.ipynb", "exec"), names)
        code = compile(ast.Module([last], []), "own-data.ipynb", "exec")
        shown = None
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "own-data.ipynb", "eval"), names)
        else:
            exec(code, names)
        for output in cell.outputs:
            if output.output_type == "stream":
                printed = numbers(capsys.readouterr().out)
                assert printed == pytest.approx(numbers(output.text), rel=0.02)
            elif output.output_type == "execute_result":
                assert output.data["text/plain"] == repr(shown)
    assert names["labels"].max() == 9


def test_the_call_in_python_finds_the_ball():
    (block,) = (
        one for one in fenced_blocks(ROOT / "docs" / "own-data.md") if one.language == "python"
    )
    names: dict[str, object] = {}
    exec(block.text, names)
    assert names["labels"].max() == 1
    assert names["labels"][6, 40, 50] == 1
