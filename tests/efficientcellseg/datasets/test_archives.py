"""Hostile and damaged zips."""

import zipfile

import pytest
from packing import packed, visible
from refusal import refused

from ctc_eval.format import InputError
from efficientcellseg.datasets.archives import unzip


@pytest.mark.parametrize(
    "name",
    ["../evil", "Mine/../../evil", "/tmp/evil", "..\\evil", "C:/evil", "Mine/..", "\\\\host\\evil"],
)
def test_members_that_lead_out_of_the_folder(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(packed({"Mine/01/t000.tif": b"x", name: b"evil"}))
    (tmp_path / "inner").mkdir()
    with refused("zip-member-refused", repr(name), "leads out"):
        unzip(tmp_path / "a.zip", tmp_path / "inner")
    assert visible(tmp_path) == {"a.zip", "inner"}
    assert visible(tmp_path / "inner") == set()


def test_a_member_without_a_name(tmp_path):
    nameless = zipfile.ZipInfo("a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(nameless, b"x")
        nameless.filename = ""
    with refused("zip-member-refused", "has no name"):
        unzip(tmp_path / "a.zip", tmp_path)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644])
def test_links_and_devices(tmp_path, mode):
    link = zipfile.ZipInfo("Mine/link")
    link.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "inner").mkdir()
    with refused("zip-member-refused", "Mine/link", "link"):
        unzip(tmp_path / "a.zip", tmp_path / "inner")
    assert visible(tmp_path / "inner") == set()


def test_encrypted_and_no_zip_at_all(tmp_path):
    path = tmp_path / "a.zip"
    body = bytearray(packed({"a": b"x"}))
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(body)
    with refused("zip-member-refused", "encrypted"):
        unzip(path, tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with refused("zip-damaged", "a.zip"):
        unzip(path, tmp_path)


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_members_whose_bytes_are_spoiled(tmp_path, packing):
    """Each byte of a small zip in turn: unpacked as it was, or refused in one line."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", packing) as archive:
        archive.writestr("Mine/t000.tif", bytes(range(200)))
    body = whole.read_bytes()
    path, refusals = tmp_path / "a.zip", 0
    for place in range(0, len(body), 3):
        path.write_bytes(body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :])
        folder = tmp_path / str(place)
        folder.mkdir()
        try:
            unzip(path, folder)
        except InputError as error:
            refusals += "\n" not in str(error)
    assert refusals > len(body) // 6
