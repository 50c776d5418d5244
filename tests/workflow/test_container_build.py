"""The container, built from the lock file, and a frame that is segmented in it, network off."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from bench.rehearsal.stand_ins import stand_ins, write_zips
from efficientcellseg.cli.main import main

# The base where none is named: Debian's Python is that of the lock file.
RELEASE, PACKAGES = "bookworm", "python3-pip,python-is-python3"
PIP = """[global]
no-index = true
find-links = /wheels
break-system-packages = true
no-compile = true
root-user-action = ignore
disable-pip-version-check = true
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CONTAINER_TEST" not in os.environ,
        reason="builds the container, minutes, 6 GB: set CONTAINER_TEST=1, and CONTAINER_BASE to "
        "its base image where a registry can be reached",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="building without a container engine wants root"),
    pytest.mark.skipif(
        not shutil.which("buildah"), reason="buildah is not installed (Debian: buildah)"
    ),
]


class Buildah:
    """Runs buildah with images of its own below a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = ["--root", str(folder / "images"), "--runroot", str(folder / "run")]
        # vfs copies the image at each step, but runs everywhere.
        driver = "overlay" if self.run("info", driver="overlay", check=False) else "vfs"
        self.store += ["--storage-driver", driver]

    def run(self, *words: object, driver: str = "", check: bool = True, before=()) -> str:
        """Give what a command tells; nothing where it fails and need not work."""
        chosen = ["--storage-driver", driver] if driver else []
        command = [*before, "buildah", *self.store, *chosen, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip() if done.returncode == 0 else ""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Give a folder that is gone afterwards, since pytest keeps its own for a while."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def wheels(scratch: Path) -> Path:
    """Download what the lock file names, with the user's own index and cache."""
    folder = scratch / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder]
    done = subprocess.run(
        [*command, "--requirement", ROOT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"requirements.lock cannot be downloaded: {done.stderr.splitlines()[-1]}")
    (scratch / "pip.conf").write_text(PIP)
    return folder


@pytest.fixture
def buildah(scratch: Path) -> Iterator[Buildah]:
    """Give buildah; its containers are unmounted and removed afterwards."""
    made = Buildah(scratch)
    yield made
    made.run("rm", "--all")


@pytest.fixture
def base(scratch: Path, buildah: Buildah) -> str:
    """Name the base image: the one that the user names, else one made of Debian's packages."""
    if named := os.environ.get("CONTAINER_BASE"):
        return named
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed (Debian: debootstrap); or set CONTAINER_BASE")
    root = scratch / "base"
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{RELEASE} cannot be installed: {done.stdout.splitlines()[-1]}")
    container = buildah.run("from", "scratch")
    buildah.run("add", "--quiet", container, root, "/")
    buildah.run("commit", "--quiet", "--disable-compression", container, "localhost/base")
    shutil.rmtree(root)
    return "localhost/base"


def test_a_frame_is_segmented_in_the_container_without_a_network(scratch, wheels, buildah, base):
    (one,) = [one for one in stand_ins(small=True, frames=1) if one.name == "Fluo-N3DL-TRIC"]
    with zipfile.ZipFile(write_zips(one, scratch)[1]) as archive:
        archive.extractall(scratch / "data")
    dataset = scratch / "data" / one.name
    options = ["--device", "cpu"]
    assert main(["segment", str(dataset), "01", *options, "--output", str(scratch / "here")]) == 0

    buildah.run(
        *("build", "--isolation", "chroot", "--layers=false", "--disable-compression"),
        *("--build-arg", f"BASE={base}", "--tag", "localhost/built"),
        *("--volume", f"{wheels}:/wheels:ro", "--volume", f"{scratch}/pip.conf:/etc/pip.conf:ro"),
        *("--file", ROOT / "Containerfile", ROOT),
    )
    image = buildah.run("from", "localhost/built")
    entry = ["./run_seq.sh", f"/data/{one.name}", "01", *options]
    mounts = ["--isolation", "chroot", "--volume", f"{dataset.parent}:/data"]
    buildah.run("run", *mounts, image, "--", *entry, before=("unshare", "--net"))
    made = (dataset / "01_RES" / "mask000.tif").read_bytes()
    assert made == (scratch / "here" / "mask000.tif").read_bytes()
