"""The comparison of trained models: table by hand, picture, faults."""

import csv

import pytest
import yaml
from commands import refusal
from conftest import network_of, tiny_network
from refusal import refused

torch = pytest.importorskip("torch")

from efficientcellseg.cli.main import main  # noqa: E402
from efficientcellseg.networks.folders import save_model  # noqa: E402
from efficientcellseg.report import ablation  # noqa: E402


def write_run(folder, ious, **configuration):
    card = {
        "configuration": {
            "model": {"input_size": 64},
            "data": [{"dataset": "Tiny"}],
            "training": {"batch": 4, "steps": 5, "accumulate": 2},
            **configuration,
        },
        "software": {"device": "cpu"},
    }
    save_model(folder, tiny_network(0), card)
    with (folder / "curve.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "training_iou", "validation_iou", "seconds"])
        writer.writerows([i + 1, iou + 0.1, iou, 4.0] for i, iou in enumerate(ious))


@pytest.fixture
def runs(tmp_path):
    folders = [tmp_path / "Tiny" / model / seed for model in "12" for seed in "78"]
    pretrained = {"encoder_weights": {"kind": "hub"}}
    write_run(folders[0], [0.1, 0.4], pseudocolor={"context": "none"})
    write_run(folders[1], [0.1, 0.6], pseudocolor={"context": "none"})
    write_run(folders[2], [0.5, 0.7], **pretrained)
    write_run(folders[3], [0.5, 0.7, 0.7], **pretrained)
    return folders


def test_table_and_picture(runs, tmp_path):
    published = tmp_path / "published.csv"
    # The tiny decoder: 8 filters each; the paper's is made up, twice as large but one.
    found = ablation.summarize([ablation.read_run(folder) for folder in runs], {})
    decoder = int(found[0]["decoder parameters"])
    published.write_text(f"decoder_filters,decoder_parameters\n8-8-8-8,{2 * decoder}\n")
    tables = [str(tmp_path / "out" / name) for name in ("t.csv", "t.md")]
    options = ["--published", str(published), "--figure", str(tmp_path / "out" / "f.png")]
    assert main(["ablation", *map(str, runs), *options, "--table", *tables]) == 0
    first, second = csv.DictReader((tmp_path / "out" / "t.csv").read_text().splitlines())
    assert (first["encoder weights"], first["input"]) == ("random", "gray")
    assert (second["encoder weights"], second["input"]) == ("ImageNet", "pseudocolor")
    assert first["test MeanIoU"] == "0.500 +- 0.141"  # 0.4 and 0.6: sd is 0.2 / sqrt(2)
    assert first["training MeanIoU"] == "0.600 +- 0.141"
    assert first["samples seen"] == str(4 * 2 * 5 * 2)
    assert first["training ms/sample"] == "100"  # 4 s over 40 samples
    assert first["difference"] == "-50%"
    whole = sum(weight.numel() for weight in tiny_network(0).parameters())
    assert int(first["encoder parameters"]) + decoder == whole
    lines = (tmp_path / "out" / "t.md").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("| training | model | encoder weights |")
    assert (tmp_path / "out" / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_its_curve_is_refused(runs, tmp_path, capsys):
    (runs[1] / "curve.csv").unlink()
    out = ["--figure", str(tmp_path / "f.png"), "--table", str(tmp_path / "t.csv")]
    assert main(["ablation", *map(str, runs), *out]) == 1
    refusal(capsys, "file-missing", "curve.csv")
    save_model(tmp_path / "imported", tiny_network(0), {})
    (tmp_path / "imported" / "curve.csv").write_text("epoch\n")
    assert main(["ablation", str(tmp_path / "imported"), *out]) == 1
    refusal(capsys, "key-missing", "imported: configuration")
    unet = network_of({"kind": "unet", "filters": [2, 2], "input_size": 64})
    save_model(tmp_path / "imported", unet, {})
    assert main(["ablation", str(tmp_path / "imported"), *out]) == 1
    refusal(capsys, "network-kind", "imported", "unet")
    assert main(["ablation", str(tmp_path / "nothing"), *out]) == 1
    refusal(capsys, "model-missing", "nothing")


def test_changes_of_a_configuration(tmp_path):
    from efficientcellseg.parameters.reading import read_yaml
    from efficientcellseg.parameters.training import TrainingConfiguration

    path = tmp_path / "t.yaml"
    path.write_text(
        yaml.safe_dump(
            {"model": {"input_size": 64}, "data": [{"dataset": "Tiny"}], "targets": ["cells"]}
        )
    )
    changes = ["model.decoder_filters=[1, 2, 3, 4]", "training.seed=3", "targets=null"]
    found = read_yaml(path, TrainingConfiguration, changes)
    assert found.model_dump(mode="json", exclude_unset=True) == {
        "model": {"kind": "efficientcellseg", "input_size": 64, "decoder_filters": [1, 2, 3, 4]},
        "data": [{"dataset": "Tiny"}],
        "training": {"seed": 3},
    }
    with refused("key-unknown", "training: unknown key sed (meant: seed?)"):
        read_yaml(path, TrainingConfiguration, ["training.sed=3"])
    for change in ("training.seed", "=3", "a=[1"):
        with refused("change-malformed", "KEY=VALUE"):
            read_yaml(path, TrainingConfiguration, [change])
    for change in ("data.0.share=1", "model.input_size.x=1"):
        with refused("change-malformed", "leads to"):
            read_yaml(path, TrainingConfiguration, [change])
