"""What tests of the judge share: a tiny sequence, and its command line."""

import pytest
from toy_sequence import write_toy

from ctc_eval.cli.main import main


@pytest.fixture
def dataset(tmp_path):
    """Write the sequence whose measures can be told by hand."""
    return write_toy(tmp_path / "Toy")


@pytest.fixture
def judge(capsys):
    """Give what runs a command: arguments to exit status, stdout and stderr."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def refusal(judge):
    """Give what runs a command that is to be refused: code and arguments to the one line."""

    def run(code, *arguments):
        status, out, err = judge(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith(f"error[{code}]: "), err
        assert err.count("\n") == 1
        return err

    return run
