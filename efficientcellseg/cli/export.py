"""Export a network as ONNX."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

log = logging.getLogger(__name__)

TOLERANCE = 1e-4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write a network as ONNX. Input `x`: pseudocolored tiles (N, 3, S, S), float32 in 0..1. "
        "Output `probability`: (N, C, S, S), float32 in 0..1, one channel for each map of the "
        "network. N is any number, S the network's input size. The result is compared with "
        "torch before it is written."
    )
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL_DIR",
        help="folder of one network, which contains model.yaml",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="for example cells.onnx"
    )


def run(args: argparse.Namespace) -> int:
    """Export the network."""
    import numpy as np
    import torch

    from ctc_eval.format import InputError, atomic
    from efficientcellseg.networks.backends import require, to_onnx
    from efficientcellseg.networks.folders import load_model

    onnxruntime = require("onnxruntime")
    model = load_model(args.model)
    data = to_onnx(model, "probability")
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    shape = (1, 3, model.input_size, model.input_size)
    tiles = np.random.default_rng(0).random(shape, dtype=np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(tiles)).sigmoid().numpy()
    difference = float(abs(session.run(None, {"x": tiles})[0] - expected).max())
    if not difference <= TOLERANCE:
        raise InputError(
            f"{args.model}: differs by {difference:.2g} in ONNX Runtime; expected at most "
            f"{TOLERANCE:g}: its weights may have no finite result",
            code="export-differs",
        )
    with atomic(args.output) as temporary:
        temporary.write_bytes(data)
    log.info("%s: differs from torch by %.1g", args.output, difference)
    return 0
