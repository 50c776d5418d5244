"""The short form of `make reliability`; docs/reliability.md says what is promised."""

from bench.reliability.fuzzing import attempt, fuzz
from bench.reliability.runs import CLASSICAL, kill, long_run, same


def test_spoiled_inputs_are_read_right_or_refused_in_one_line():
    outcomes = fuzz(1500, seed=2)
    assert outcomes.wrong == []
    for kind in ("TIFF", "track file", "recipe", "zip", "weights"):
        assert outcomes.read[kind] > 0
        assert outcomes.refused[kind] > 0


def test_what_is_not_refused_in_a_line_counts_as_wrong(monkeypatch):
    def read(path):
        raise IndexError("of a reader")

    monkeypatch.setattr("bench.reliability.fuzzing.corpus", lambda *_: [("TIFF", b"", read)])
    assert fuzz(1, seed=1).wrong == ["TIFF 0: IndexError: of a reader"]
    assert attempt(b"", lambda path: None) is None


def test_killed_runs_go_on_to_the_same_masks(tmp_path):
    assert kill(tmp_path, times=3, seed=4, frames=12)[1:] == []


def test_memory_and_open_files_do_not_grow(tmp_path):
    assert long_run(tmp_path, frames=100, seed=3)[1:] == []


def test_masks_do_not_depend_on_threads_and_shards(tmp_path):
    assert same(tmp_path, 5, [CLASSICAL], frames=2) == ["--method classical: 4 ways, 0 wrong"]
