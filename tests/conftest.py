"""What tests share: the place of real data, a tiny data set, a tiny recipe, tiny networks."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import settings
from local_server import server  # noqa: F401  (a fixture)

from ctc_eval.format import write_labels, write_volume

# Machines may be busy: how long an example takes is not what tests are after.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent
# What runs networks beside torch.
BACKENDS = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("openvino") is None,
            reason="openvino is not installed; it is optional",
        ),
    ),
]
TINY = {"encoder": "tf_efficientnet_lite0", "decoder_filters": (8, 8, 8, 8), "input_size": 64}


def pytest_collection_modifyitems(items):
    """Put files of slow tests first: in several processes, the last to end is then a short one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Keep what networks are compiled to in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTCELLSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data_root():
    """Give the folder of real microscopy, or skip."""
    root = Path(os.environ.get("CTC_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"{root}: no real microscopy there; set CTC_DATA to its folder")
    return root


def blobs(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint six bright balls on noise: a frame of 0..250 and its reference."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    grid = np.indices(shape)
    for number in range(1, 7):
        center = [random.uniform(0, length) for length in shape]
        radius = random.uniform(3, 7)
        square = sum((g - c) ** 2 for g, c in zip(grid, center, strict=True))
        labels[(square < radius**2) & (labels == 0)] = number
    return random.uniform(0, 60, shape) + 190 * (labels > 0), labels


def write_tiny(folder: Path) -> Path:
    """Write a data set in challenge layout: 01 is 3D and uint16, 02 is 2D and uint8."""
    for sequence, shape, kind in (("01", (3, 70, 90), np.uint16), ("02", (1, 61, 47), np.uint8)):
        scale = 16 if kind == np.uint16 else 1
        for frame in range(3):
            image, labels = blobs(shape, seed=10 * int(sequence) + frame)
            write_volume(folder / sequence / f"t00{frame}.tif", (image * scale).astype(kind))
            write_labels(folder / f"{sequence}_GT" / "SEG" / f"man_seg00{frame}.tif", labels)
    return folder


@pytest.fixture
def tiny_dataset(tmp_path):
    """Make the tiny data set in a folder of the test's own."""
    return write_tiny(tmp_path / "data" / "Tiny")


def tiny_recipe(path: Path, **changes: object) -> Path:
    """Write a recipe of the tiny data set: both networks, overlapping tiles."""
    recipe: dict[str, object] = {
        "name": "Tiny",
        "description": "made for tests",
        "sequences": ["01", "02"],
        "voxel_size": [2.0, 1.0, 1.0],
        "source": {"kind": "local"},
        "pseudocolor": {"grid": 4, "bits": 8, "adjacent_mean": 0.1},
        "tiling": {"rows": 2, "columns": 3, "overlap": 0.25},
        "maps": ["cells", "centers"],
        "labeling": {"method": "marker_watershed", "min_size": 5},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({**recipe, **changes}))
    return path


@pytest.fixture
def recipe_file(tmp_path):
    """Write the tiny data set's recipe."""
    return tiny_recipe(tmp_path / "recipes" / "Tiny.yaml")


def network_of(values: dict):
    """Build the untrained network of an architecture, given as in a file."""
    from pydantic import TypeAdapter

    from efficientcellseg.networks.base import build
    from efficientcellseg.parameters.architecture import Architecture

    return build(TypeAdapter(Architecture).validate_python(values))


def tiny_network(seed: int, *maps: str):
    """Make an untrained tiny network, for cells unless told."""
    import torch

    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork
    from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

    torch.manual_seed(seed)
    architecture = EfficientCellSegArchitecture(**TINY, maps=maps or ("cells",))
    return EfficientCellSegNetwork(architecture).eval()


def random_tiles(count: int, size: int) -> np.ndarray:
    """Make a network's input."""
    return np.random.default_rng(0).random((count, 3, size, size), dtype=np.float32)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Save two untrained networks whose maps cross their thresholds."""
    import torch

    from efficientcellseg.networks.folders import save_model

    folder = tmp_path_factory.mktemp("models")
    image, _ = blobs((1, 64, 64), seed=5)
    tile = torch.from_numpy(np.stack([image[0] / 250] * 3).astype(np.float32))[None]
    for seed, name in enumerate(("cells", "centers")):
        network = tiny_network(seed, name)
        with torch.no_grad():
            logits = network(tile)
            # Untrained, the map is next to flat: spread it, and put its median at 1/2.
            gain = 4 / logits.std()
            network.head.weight *= gain
            network.head.bias.copy_((network.head.bias - logits.median()) * gain)
        save_model(folder / name, network, {"parameters": 1})
    return folder


@pytest.fixture
def models(tmp_path, tiny_models):
    """Copy the tiny networks, and count their weights as training does."""
    for network in ("cells", "centers"):
        shutil.copytree(tiny_models / network, tmp_path / "models" / network)
        card = tmp_path / "models" / network / "model.yaml"
        values = {**yaml.safe_load(card.read_text()), "parameters": 500000}
        card.write_text(yaml.safe_dump(values))
    return tmp_path / "models"


BLOCKED = """
import socket

def refuse(*args, **kwargs):
    raise OSError("network is unreachable: blocked by the test")

socket.socket.connect = socket.getaddrinfo = refuse
"""


def offline(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Give what to put before a command, and its variables, so that it has no network.

    A network namespace of its own where the system lets us, else Python's sockets blocked.
    """
    for prefix in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return prefix, {}
    blocker = folder / "no-network"
    blocker.mkdir(exist_ok=True)
    (blocker / "sitecustomize.py").write_text(BLOCKED)
    return [], {"PYTHONPATH": str(blocker)}
