"""The command that downloads data sets."""

import pytest
from commands import refusal, run


def test_command_line_ends_with_one_line(tmp_path, capsys):
    assert run("download", "BBBC050", tmp_path) == 1
    refusal(capsys, "data-missing", "BBBC050", "by hand")
    with pytest.raises(SystemExit) as caught:
        run("download", "BBBC050")
    assert caught.value.code == 2
