"""Files of samples: written and read, and refused where they hold something else."""

import numpy as np
import pytest
from refusal import refused

from efficientcellseg.training.sample_files import read_samples, write_samples
from efficientcellseg.training.samples import Samples


def some_samples() -> Samples:
    random = np.random.default_rng(0)
    return Samples(
        random.integers(0, 256, (5, 3, 8, 8)).astype(np.uint8),
        {
            "cells": random.integers(0, 256, (5, 8, 8)).astype(np.uint8),
            "centers": random.integers(0, 256, (5, 8, 8)).astype(np.uint8),
        },
        np.array([0, 3, 1, 400, 2], np.uint16),
        np.array([0, 0, 1, 1, 1], np.uint8),
        np.array([0, 1, 2, 2, 3]),
        np.array([0, 0, 0, 1, 0]),
        np.array([4, 0, 0, 0, 2]),
        ("A", "B"),
        ("ab", "cd", "ef", "01"),
    )


def test_samples_are_saved_and_loaded(tmp_path):
    samples = some_samples()
    write_samples(tmp_path / "a" / "samples.npz", samples)
    found = read_samples(tmp_path / "a" / "samples.npz")
    assert found.names == ("A", "B")
    assert found.fingerprints == samples.fingerprints
    assert found.targets.keys() == samples.targets.keys()
    for name, target in found.targets.items():
        np.testing.assert_array_equal(target, samples.targets[name])
    for name in ("images", "objects", "dataset", "frame", "tile", "plane"):
        np.testing.assert_array_equal(getattr(found, name), getattr(samples, name))
        assert getattr(found, name).dtype == getattr(samples, name).dtype


@pytest.mark.parametrize("fault", ["missing", "empty", "truncated", "other", "text", "array"])
def test_files_of_another_content_are_refused(tmp_path, fault):
    path = tmp_path / "samples.npz"
    if fault in ("truncated", "text", "empty"):
        write_samples(path, some_samples())
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[:2000], "text": b"hello", "empty": b""}[fault])
    elif fault == "other":
        np.savez(path, images=np.zeros(3))
    elif fault == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with refused("samples-damaged", str(path)):
        read_samples(path)
