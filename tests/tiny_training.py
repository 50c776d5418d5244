"""Samples that are learned at once, and the least networks to learn them: trainings in no time."""

import csv

import numpy as np
import torch

from efficientcellseg.parameters.training import Optimization
from efficientcellseg.training.loop import train
from efficientcellseg.training.samples import Samples

CPU = torch.device("cpu")
QUICK = Optimization(batch=4, epochs=2, steps=3, learning_rate=0.01, validation=0.25, seed=5)


def squares(frames: int = 8, kind: str = "A", side: int = 64) -> Samples:
    """Make samples that are easily learned: bright squares on noise, one frame each."""
    random = np.random.default_rng(0)
    cells = np.zeros((frames, side, side), np.uint8)
    for plane in cells:
        top, left = random.integers(0, side // 2, 2)
        plane[top : top + side // 2, left : left + side // 2] = 255
    noise = random.integers(0, 60, (frames, 3, side, side))
    images = np.clip(noise + 0.7 * cells[:, None], 0, 255).astype(np.uint8)
    cells = np.minimum(cells, 254)
    return Samples(
        images=images,
        targets={"cells": cells, "centers": cells},
        objects=np.ones(frames, np.uint16),
        dataset=np.zeros(frames, np.uint8),
        frame=np.arange(frames),
        tile=np.zeros(frames, np.int64),
        plane=np.zeros(frames, np.int64),
        names=(kind,),
        fingerprints=tuple(map(str, range(frames))),
    )


class Small(torch.nn.Sequential):
    """A network with batch norm; training takes any, and this one trains at once."""

    def __init__(self, seed: int, *maps: str) -> None:
        torch.manual_seed(seed)
        super().__init__(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, len(maps), 3, padding=1),
        )
        self.maps, self.planes = maps, 0


class Pixelwise(torch.nn.Conv2d):
    """The least network."""

    maps, planes = ("cells",), 0

    def __init__(self) -> None:
        super().__init__(3, 1, 1)


class Slabwise(torch.nn.Conv3d):
    """The least network of slabs."""

    maps, planes = ("cells",), 2

    def __init__(self) -> None:
        super().__init__(1, 1, 1)


def run(folder, parameters=QUICK, samples=None, maps=("cells",), held_out=()):
    network = Small(11, *maps)
    samples = squares() if samples is None else samples
    train(network, samples, [1.0, 1.0], parameters, folder, CPU, held_out)
    return network


def rows(folder) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))
