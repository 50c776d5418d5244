"""What lies at the project's root says the same everywhere, and is followed by git and make."""

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT

from efficientcellseg import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Wagner", "Rohr"]
    assert (paper["year"], paper["publisher"]["name"]) == (2022, "PMLR")
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == __version__


def made_by_the_readme() -> set[str]:
    """List files and folders that following the README's commands makes here."""
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    options = re.findall(r"--output (\S+)", text)
    datasets = re.findall(r"(?:run_seq\.sh|download \S+|simulate \S+) ([\w/.-]+)", text)
    return {path.strip("`.") for path in options + datasets if not path.isupper()}


def test_git_ignores_what_is_made_here(tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    made = made_by_the_readme()
    assert any(path.startswith("data/") for path in made), made
    made |= {"data/x.tif", "samples.npz", "bench/samples.npz", "results/x", "out/x"}
    # A virtual environment may be a link, which a pattern with a slash does not match.
    made |= {".venv", ".venv/bin/python", "build/lib/x.py", "dist/x.whl", "x.egg-info/PKG-INFO"}
    kept = {"tests/ctc_eval/data/x.zip", "resources/weights/x/curve.csv", "config/datasets/x.yaml"}
    command = ["git", "-C", tmp_path, "-c", "core.excludesFile=", "check-ignore", *made, *kept]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert set(done.stdout.splitlines()) == made, done.stderr


def test_make_tells_every_target():
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    done = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    )
    told = re.findall(r"^make (\w+) ", done.stdout, re.MULTILINE)
    assert sorted([*told, "help"]) == sorted(phony.split())


def test_a_commit_is_checked_by_the_tools_of_make_lint():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    tools = {hook["entry"].split()[0].rpartition("/")[2] for hook in hooks}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    # Snakemake's own lint takes seconds and looks at the whole workflow.
    assert tools == set(re.findall(r"\$\(BIN\)/(\S+)", lint)) - {"snakemake"}
    assert all(hook["language"] == "system" for hook in hooks)
