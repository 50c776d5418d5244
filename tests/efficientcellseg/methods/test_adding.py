"""docs/methods.md, followed to the letter: a method is one file and its entry."""

import pytest
from conftest import ROOT
from extension import copy_project, python_blocks, run_there

from ctc_eval.format import read_volume


@pytest.fixture
def project(tmp_path):
    """Add the page's method to a copy of the project."""
    file, entry = python_blocks(ROOT / "docs" / "methods.md", "## Add a method")
    folder = copy_project(tmp_path / "project") / "efficientcellseg" / "methods"
    (folder / "brightest.py").write_text(file)
    registry = folder / "__init__.py"
    listed = registry.read_text()
    registry.write_text(listed[: listed.index("METHODS:")] + entry)
    return tmp_path / "project"


def test_the_pages_method_segments(project, tiny_dataset, recipe_file):
    options = ("--recipe", recipe_file, "--method", "brightest")
    run_there(project, "efficientcellseg", "segment", tiny_dataset, "01", *options)
    masks = sorted((tiny_dataset / "01_RES").glob("mask*.tif"))
    assert len(masks) == 3
    for mask in masks:
        found = read_volume(mask) > 0
        volume = read_volume(tiny_dataset / "01" / mask.name.replace("mask", "t"))
        # A tenth is found, but for pieces under the recipe's size, and with holes filled.
        assert 0.05 < found.mean() < 0.15
        assert volume[found].mean() > 1.5 * volume[~found].mean()


def test_the_tests_of_methods_pass_with_it(project):
    path = "tests/efficientcellseg/methods/test_methods.py"
    printed = run_there(project, "pytest", "-vv", path, "-k", "recipe", "-p", "no:cacheprovider")
    assert "test_what_every_method_leaves_of_a_recipe[brightest] PASSED" in printed
