"""The command that downloads data sets."""

import pytest
from commands import refusal, run


def test_a_recipe_for_many_data_sets_finds_the_one_that_lies_there(tiny_dataset, capsys):
    place = tiny_dataset.parent
    assert run("download", "nuclei-2d", place, "--name", "Tiny", "--sequences", "02") == 0
    capsys.readouterr()
    assert run("download", "nuclei-2d", place, "--name", "Tiny", "--sequences", "02", "03") == 1
    refusal(capsys, "data-missing", "Tiny")
    assert run("download", "nuclei-2d", place) == 1
    refusal(capsys, "data-missing", "nuclei-2d")


def test_command_line_ends_with_one_line(tmp_path, capsys):
    assert run("download", "BBBC050", tmp_path) == 1
    refusal(capsys, "data-missing", "BBBC050", "by hand")
    with pytest.raises(SystemExit) as caught:
        run("download", "BBBC050")
    assert caught.value.code == 2
