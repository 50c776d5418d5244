"""A new network is one file, its line in the register, and its architecture."""

import pytest
from extension import copy_project, run_there

pytest.importorskip("torch")

FILE = '''"""A network of one convolution, for a test."""

from torch import Tensor, nn

from efficientcellseg.networks.base import Network
from efficientcellseg.parameters.architecture import PlainArchitecture


class PlainNetwork(Network):
    """Predict maps of a slice by a convolution."""

    def __init__(self, architecture: PlainArchitecture) -> None:
        super().__init__(architecture)
        self.layer = nn.Conv2d(3, len(self.maps), architecture.side, padding="same")

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits (N, C, S, S) of tiles (N, 3, S, S)."""
        return self.layer(image)
'''
LINE = '    "plain": "efficientcellseg.networks.plain:PlainNetwork",\n'
ARCHITECTURE = '''class PlainArchitecture(Frozen):
    """A network of one convolution."""

    title: ClassVar[str] = "plain"

    kind: Literal["plain"]
    """A network of one convolution."""

    maps: OneOrMore[MapName] = ("cells",)
    """What it predicts."""

    input_size: Count = 32
    """Side of the square input. Pixels."""

    side: Count = 3
    """Side of the kernel. Pixels."""


'''
SCRIPT = """
import sys
from pathlib import Path
import torch
from efficientcellseg.networks.base import build
from efficientcellseg.networks.folders import read_card, save_model
from efficientcellseg.networks.loading import load_networks
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.training import TrainingConfiguration

folder, model = Path(sys.argv[1]), {"kind": "plain", "maps": ["cells", "centers"], "side": 5}
values = {"model": model, "data": [{"dataset": "BBBC050"}]}
network = build(check_values(values, TrainingConfiguration, "test").model).eval()
save_model(folder, network, {}, half=False)
(again,) = load_networks(folder, ("cells",), "cpu", kind="plain")
tile = torch.rand(1, 3, 32, 32)
assert torch.equal(again(tile), network(tile))
print(read_card(folder).architecture.title, again.maps)
"""


def test_a_new_network_is_one_file_its_line_and_its_architecture(tmp_path):
    project = copy_project(tmp_path / "project")
    package = project / "efficientcellseg"
    (package / "networks" / "plain.py").write_text(FILE)
    registry = package / "networks" / "base.py"
    before = "NETWORKS = {\n"
    registry.write_text(registry.read_text().replace(before, before + LINE, 1))
    architectures = package / "parameters" / "architecture.py"
    text = architectures.read_text().replace("def _with_kind", f"{ARCHITECTURE}def _with_kind", 1)
    member = "| UNet3DArchitecture"
    architectures.write_text(text.replace(member, f"{member} | PlainArchitecture", 1))
    (project / "try_plain.py").write_text(SCRIPT)
    assert run_there(project, "try_plain", tmp_path / "model") == "plain ('cells', 'centers')\n"
