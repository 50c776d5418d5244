"""Files from a server on this machine: ranges, broken lines, refusals."""

import numpy as np
import pytest
from packing import visible
from pydantic import TypeAdapter, ValidationError
from refusal import refused

from efficientcellseg.datasets.fetching import fetch
from efficientcellseg.parameters.source import Url


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path):
    body = np.random.default_rng(0).bytes(100_000)
    server.files["a.zip"] = body
    server.faults = ["drop", "drop", 503]
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == body
    assert server.ranges == [None, "bytes=50000-", "bytes=75000-", "bytes=75000-"]
    assert visible(tmp_path) == {"a.zip"}


def test_a_part_of_an_earlier_run_is_taken_up(server, tmp_path):
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(b"0123")
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"
    assert server.ranges == ["bytes=4-"]


@pytest.mark.parametrize("part", [b"0123456789", b"longer than the file is"])
def test_a_part_that_has_all_or_too_much(server, tmp_path, part):
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(part)
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranged = False
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(b"xxxx")
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"


def test_tries_are_bounded_and_what_came_is_kept(server, tmp_path):
    server.files["a.zip"] = b"0123456789"
    server.faults = ["drop", 500, 500, 500, 500]
    with refused("download-broken", "HTTP 500"):
        fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert len(server.ranges) == 3  # the try that brought data, then one for each pause
    assert (tmp_path / "a.zip.part").read_bytes() == b"01234"
    assert not (tmp_path / "a.zip").exists()


def test_a_refusal_is_not_tried_again(server, tmp_path):
    with refused("download-refused", "HTTP 404"):
        fetch(server.url("none.zip"), tmp_path / "none.zip")
    assert len(server.ranges) == 1


def test_a_mirror_takes_the_hosts_place(server, tmp_path, monkeypatch):
    server.files["here/training-datasets/A.zip"] = b"0123456789"
    monkeypatch.setenv("EFFICIENTCELLSEG_MIRROR", server.url("here/"))
    fetch("https://no.such.host/training-datasets/A.zip", tmp_path / "A.zip")
    assert (tmp_path / "A.zip").read_bytes() == b"0123456789"
    for mirror in ("here", "http://elsewhere.org", "http://localhost.elsewhere.org", "file:///a"):
        monkeypatch.setenv("EFFICIENTCELLSEG_MIRROR", mirror)
        with refused("mirror-address", f"EFFICIENTCELLSEG_MIRROR={mirror}"):
            fetch("https://no.such.host/training-datasets/A.zip", tmp_path / "B.zip")


def test_nothing_comes_without_encryption_but_from_this_machine(server, tmp_path):
    for url in ("http://elsewhere.org/A.zip", "ftp://elsewhere.org/A.zip", "file:///etc/passwd"):
        with pytest.raises(ValidationError):
            TypeAdapter(Url).validate_python(url)
    server.files["a.zip"] = b"0123456789"
    server.moved = {"b.zip": server.url("a.zip"), "c.zip": "http://elsewhere.org/A.zip"}
    fetch(server.url("b.zip"), tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == b"0123456789"
    with refused("download-refused", "leads to http://elsewhere.org/A.zip; expected https://"):
        fetch(server.url("c.zip"), tmp_path / "c.zip")
    assert not list(tmp_path.glob("c.zip*"))
