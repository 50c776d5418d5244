"""The command that downloads data sets."""

import pytest
from refusal import assert_refused

from efficientcellseg.__main__ import main


def test_command_line_ends_with_one_line(tmp_path, capsys):
    assert main(["download", "BBBC050", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_refused(captured.err, "data-missing", "BBBC050", "by hand")
    with pytest.raises(SystemExit) as caught:
        main(["download", "BBBC050"])
    assert caught.value.code == 2
