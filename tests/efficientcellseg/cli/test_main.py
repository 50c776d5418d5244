"""The command line as such: help, version, usage, errors."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from commands import refusal
from conftest import ROOT

import efficientcellseg
from ctc_eval.format import InputError
from efficientcellseg.cli.main import COMMANDS, main

HELP = """
import contextlib, io, sys
from efficientcellseg.cli.main import main
for command in sys.argv[1:]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([command, '--help'] if command != '-' else ['--help'])
    assert text.getvalue().startswith('usage: efficientcellseg'), command
    heavy = {'torch', 'timm', 'cv2', 'scipy', 'skimage', 'matplotlib'} & sys.modules.keys()
    assert not heavy, (command, heavy)
    print(command, len(text.getvalue()))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)


def test_help_of_each_command_waits_for_nothing_heavy():
    done = python("-c", HELP, "-", *COMMANDS)
    assert done.returncode == 0, done.stderr
    lengths = dict(line.split() for line in done.stdout.splitlines())
    assert list(lengths) == ["-", *COMMANDS]
    assert min(map(int, lengths.values())) > 200


def test_the_package_runs_as_a_module_and_tells_its_version():
    done = python("-m", "efficientcellseg", "--version")
    assert done.stdout == f"efficientcellseg {efficientcellseg.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["sing"], ["segment"], ["infer", "x", "--recipe"]])
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def failing(monkeypatch, error: BaseException) -> int:
    """Run a command that ends in an error."""

    def run(args):
        raise error

    command = SimpleNamespace(add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "failing_command", command)
    monkeypatch.setitem(COMMANDS, "label", ("failing_command", ""))
    return main(["label"])


def test_errors_are_one_line_with_a_code(monkeypatch, capsys):
    assert failing(monkeypatch, InputError("t001.tif: is not there", code="frame-missing")) == 1
    assert capsys.readouterr().err == "error[frame-missing]: t001.tif: is not there\n"
    assert failing(monkeypatch, OSError(28, "No space left on device", "out/mask000.tif")) == 1
    refusal(capsys, "disk-full", "out/mask000.tif: No space left on device")
    assert failing(monkeypatch, OSError("the cluster is gone")) == 1
    assert capsys.readouterr().err == (
        "error[path-unusable]: the cluster is gone; expected a path to read or write: check it\n"
    )


def test_a_run_that_is_stopped_says_so(monkeypatch, capsys):
    assert failing(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "stopped; complete results are kept\n"


def test_how_much_is_told_and_where(tmp_path):
    """In a process of its own: pytest has handlers."""
    log, words = tmp_path / "log.txt", ["-m", "efficientcellseg", "recipe", "Sim-TRIC"]
    quiet = python(*words, "-q")
    assert (quiet.stderr, quiet.returncode) == ("", 0)
    assert "name: Sim-TRIC" in quiet.stdout  # results go to standard output, whatever is told
    done = python("-m", "efficientcellseg", "recipe", "nowhere", "--log-file", str(log))
    assert done.returncode == 1
    assert done.stderr.startswith("error[recipe-unknown]: ")
    assert done.stderr.strip() in log.read_text()
    refused = python(*words, "--log-file", str(tmp_path / "no" / "log.txt"))
    assert refused.stderr.startswith(
        f"error[path-unusable]: {tmp_path}/no/log.txt: No such file or directory; expected "
    )
    both = python(*words, "-q", "-v")
    assert both.returncode == 2
