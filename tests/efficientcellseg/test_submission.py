"""The packed submission: complete, validated, and able to make its masks again, network off."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import refusal
from conftest import ROOT, network_of, offline, tiny_network, tiny_recipe, write_tiny

from ctc_eval.format import write_labels
from efficientcellseg.cli.main import main
from efficientcellseg.networks.folders import save_model
from efficientcellseg.parameters.recipe import load_recipe, open_recipe
from efficientcellseg.provenance import read_mask_record


def package(plan: Path, output: Path, *options: str) -> int:
    return main(["package", str(plan), "--output", str(output), *options])


def write_plan(path: Path, *sequences: dict, **more) -> Path:
    path.write_text(yaml.safe_dump({"sequences": list(sequences), **more}))
    return path


def masks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("mask*.tif"))}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def once(tmp_path_factory, tiny_models):
    """Segment the tiny data set."""
    folder = tmp_path_factory.mktemp("segmented")
    recipe = tiny_recipe(folder / "recipes" / "Tiny.yaml")
    options = ["--recipe", str(recipe), "--model", str(tiny_models), "--device", "cpu"]
    for sequence in ("01", "02"):
        dataset = write_tiny(folder / "data" / "Tiny")
        assert main(["segment", str(dataset), sequence, *options]) == 0
    return folder


@pytest.fixture
def segmented(tmp_path, once, tiny_models):
    """Copy the segmented data set; give what a plan says of it."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return {
        "dataset": str(tmp_path / "data" / "Tiny"),
        "recipe": str(tmp_path / "recipes" / "Tiny.yaml"),
        "model": str(tiny_models),
    }


def test_a_data_set_that_the_challenges_table_alone_knows(tmp_path, tiny_models):
    """2D, without a recipe file: the submission has one with all that the table says."""
    dataset = write_tiny(tmp_path / "data" / "Fluo-N2DL-HeLa")
    options = ["--model", str(tiny_models), "--device", "cpu"]
    assert main(["segment", str(dataset), "02", *options]) == 0
    plan = write_plan(
        tmp_path / "plan.yaml",
        {"dataset": str(dataset), "sequence": "02", "model": str(tiny_models)},
    )
    assert package(plan, tmp_path / "packed") == 0
    software = tmp_path / "packed" / "SW"
    (recipe,) = (software / "config" / "datasets").iterdir()
    assert recipe.name == "Fluo-N2DL-HeLa.yaml"
    assert load_recipe(recipe) == open_recipe("Fluo-N2DL-HeLa")
    assert "--recipe config/datasets/Fluo-N2DL-HeLa.yaml" in (
        (software / "Fluo-N2DL-HeLa-02.sh").read_text()
    )
    assert (software / "config" / "challenge.yaml").is_file()


@pytest.mark.slow
def test_elsewhere_without_a_network_the_scripts_make_the_same_masks(tmp_path, segmented):
    tiny_dataset = Path(segmented["dataset"])
    plan = write_plan(
        tmp_path / "plan.yaml",
        {**segmented, "sequence": "01"},
        {**segmented, "sequence": "02", "training": "allGT+allST", "csb": True}
        | {"masks": str(tiny_dataset / "02_RES")},
    )
    assert package(plan, tmp_path / "packed") == 0

    # Nothing of the first place is left; the raw frames lie beside SW as with the evaluators.
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    (tmp_path / "packed").rename(moved)
    shutil.move(tiny_dataset, tmp_path / "original")
    shutil.rmtree(tmp_path / "recipes")
    for sequence in ("01", "02"):
        shutil.copytree(tmp_path / "original" / sequence, moved / "Tiny" / sequence)
    results = {
        "Tiny-01.sh": (moved / "Tiny" / "01_RES", tmp_path / "original" / "01_RES"),
        "Tiny-02-allGT+allST.sh": (
            moved / "Tiny" / "CSB" / "02_RES-allGT+allST",
            tmp_path / "original" / "02_RES",
        ),
    }
    assert {path.name for path in (moved / "SW").glob("*-*.sh")} == set(results)
    without_network, variables = offline(tmp_path)
    for script, (result, made) in results.items():
        assert masks(result) == masks(made)
        write_labels(result / "mask001.tif", np.zeros((2, 2), np.uint16))  # to be replaced
        (result / "mask002.tif").unlink()
        done = subprocess.run(
            [*without_network, f"./{script}"],
            cwd=moved / "SW",
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "CUDA_VISIBLE_DEVICES": "",
                "OMP_NUM_THREADS": "1",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(masks(result)) == 3
        assert masks(result) == masks(made)


def on_track(segmented, sequence="01") -> Path:
    """Link the masks of a sequence; give their folder."""
    chosen = [segmented["dataset"], sequence, "--recipe", segmented["recipe"]]
    assert main(["track", *chosen]) == 0
    return Path(segmented["dataset"]) / f"{sequence}_RES"


@pytest.mark.slow
def test_tracks_are_sent_and_made_again_beside_the_complete_segmentation(tmp_path, segmented):
    made = on_track(segmented)
    entry = {**segmented, "sequence": "01", "tracks": True, "csb": True}
    packed = tmp_path / "packed"
    assert package(write_plan(tmp_path / "plan.yaml", entry), packed) == 0
    tracked, complete = packed / "Tiny" / "01_RES", packed / "Tiny" / "CSB" / "01_RES"
    before = (made / "res_track.txt").read_bytes(), masks(made)
    shutil.copytree(Path(segmented["dataset"]) / "01", packed / "Tiny" / "01")
    for again in (False, True):
        assert ((tracked / "res_track.txt").read_bytes(), masks(tracked)) == before
        assert masks(complete) == before[1]
        assert not (complete / "res_track.txt").exists()
        if not again:
            shutil.rmtree(tracked)
            write_labels(complete / "mask007.tif", np.zeros((2, 2), np.uint16))  # to be replaced
            path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            environment = {"PATH": path, "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
            script = packed / "SW" / "Tiny-01.sh"
            subprocess.run([script], env=environment, check=True, capture_output=True)
    (told,) = json.loads((packed / "SW" / "manifest.json").read_text())["sequences"]
    assert (told["result"], told["segmentation"]) == ("Tiny/01_RES", "Tiny/CSB/01_RES")


def test_where_results_go_with_tracks_and_without(tmp_path, segmented):
    made = on_track(segmented)
    for tracks, csb, results in (
        (True, False, {"01_RES": True}),
        (False, False, {"01_RES": False}),
        (False, True, {"CSB/01_RES": False}),
    ):
        entry = {**segmented, "sequence": "01", "tracks": tracks, "csb": csb}
        plan, packed = write_plan(tmp_path / "plan.yaml", entry), tmp_path / "packed"
        assert package(plan, packed, "--overwrite") == 0
        folder = packed / "Tiny"
        found = {one.parent for one in folder.rglob("mask000.tif")}
        assert found == {folder / name for name in results}
        for name, sent in results.items():
            assert masks(folder / name) == masks(made)
            assert (folder / name / "res_track.txt").exists() == sent
        assert ("--track " in (packed / "SW" / "Tiny-01.sh").read_text()) == tracks


def test_tracks_that_are_not_those_of_the_script(tmp_path, segmented, capsys):
    entry = {**segmented, "sequence": "01", "tracks": True}
    plan, packed = write_plan(tmp_path / "plan.yaml", entry), tmp_path / "packed"
    assert package(plan, packed) == 1
    refusal(capsys, "file-missing", "res_track.txt")
    on_track(segmented)
    other = yaml.safe_load(Path(segmented["recipe"]).read_text()) | {"tracking": {"gap": 4}}
    Path(segmented["recipe"]).write_text(yaml.safe_dump(other))
    capsys.readouterr()
    assert package(plan, packed) == 1
    refusal(capsys, "record-mismatch", "res_track.txt", "tracking")
    assert not packed.exists()


@pytest.mark.parametrize(
    ("backend", "precision"), [("torch", "bf16"), ("onnxruntime", "float32"), ("auto", "float32")]
)
def test_scripts_name_the_backend_that_made_the_masks(tmp_path, segmented, backend, precision):
    out = tmp_path / "masks"
    named = ["--recipe", segmented["recipe"], "--model", segmented["model"], "--device", "cpu"]
    chosen = ["--backend", backend, "--precision", precision, "--output", str(out)]
    assert main(["segment", segmented["dataset"], "02", *named, *chosen]) == 0
    plan = write_plan(tmp_path / "plan.yaml", {**segmented, "sequence": "02", "masks": str(out)})
    assert package(plan, tmp_path / "packed") == 0
    came_to = read_mask_record(out)["backend"].split()[0]
    assert came_to in {"torch", "onnxruntime", "openvino"} & ({backend} - {"auto"} or {came_to})
    software = tmp_path / "packed" / "SW"
    script = (software / "Tiny-02.sh").read_text()
    assert f"--backend {came_to} --precision {precision}" in script
    (told,) = json.loads((software / "manifest.json").read_text())["sequences"]
    assert told["backend"] == read_mask_record(out)["backend"]


def test_the_network_is_really_off(tmp_path):
    without_network, variables = offline(tmp_path)
    connect = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=5)"
    done = subprocess.run(
        [*without_network, sys.executable, "-c", connect],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "unreachable" in done.stderr


def test_manifest_says_what_is_in_it(tmp_path, segmented):
    score = {"dataset": "Tiny", "sequence": "01", "method": "mine", "SEG": 0.5}
    (tmp_path / "01.json").write_text(json.dumps(score))
    plan = write_plan(
        tmp_path / "plan.yaml",
        {**segmented, "sequence": "01"},
        {**segmented, "sequence": "02"},
        scores=[str(tmp_path / "01.json")],
    )
    packed = tmp_path / "packed"
    assert package(plan, packed) == 0
    manifest = json.loads((packed / "SW" / "manifest.json").read_text())

    assert set(manifest["files"]) | {"SW/manifest.json"} == files(packed)
    for name, found in manifest["files"].items():
        assert hashlib.sha256((packed / name).read_bytes()).hexdigest() == found
    first = manifest["sequences"][0]
    assert (first["script"], first["result"]) == ("SW/Tiny-01.sh", "Tiny/01_RES")
    network = network_of(first["networks"]["cells"]["architecture"])
    weights = sum(p.numel() for p in network.parameters())
    assert first["parameters"] == 2 * weights
    assert [(row["method"], row["SEG"]) for row in manifest["scores"]] == [("mine", 0.5)]
    assert manifest["packages"]["numpy"] == np.__version__

    # The program is there as a whole, nothing compiled or hidden, each network once.
    inside = files(packed / "SW")
    for package_name in ("ctc_eval", "efficientcellseg"):
        sources = {str(path.relative_to(ROOT)) for path in (ROOT / package_name).rglob("*.py")}
        assert sources <= inside
    assert {"run_seq.sh", "requirements.lock", "README.md", "Makefile"} <= inside
    assert not [name for name in inside if "__pycache__" in name]
    assert sum(name.endswith("weights.safetensors") for name in inside) == 2
    assert files(packed / "Tiny") == {
        f"{seq}_RES/mask00{t}.tif" for seq in ("01", "02") for t in range(3)
    }
    for path in packed.rglob("*.sh"):
        assert os.access(path, os.X_OK), path


def test_an_earlier_submission_is_replaced_only_when_told_to(tmp_path, segmented, caplog, capsys):
    plan = write_plan(tmp_path / "plan.yaml", {**segmented, "sequence": "01"})
    packed = tmp_path / "packed"
    assert package(plan, packed) == 0
    (packed / "mine.txt").write_text("")
    assert package(plan, packed) == 1
    refusal(capsys, "folder-in-the-way", str(packed))
    assert (packed / "mine.txt").exists()
    assert package(plan, packed, "--overwrite") == 0
    assert not (packed / "mine.txt").exists()
    (tmp_path / "home").mkdir()
    assert package(plan, tmp_path / "home", "--overwrite") == 1  # no submission: not ours to delete
    assert (tmp_path / "home").is_dir()


@pytest.mark.parametrize("wheels", [True, False])
def test_the_environment_comes_from_the_lock_and_wheels_that_lie_there(tmp_path, wheels):
    software = tmp_path / "SW"
    shutil.copytree(ROOT / "resources" / "submission", software)
    (software / "requirements.lock").touch()
    if wheels:
        (software / "wheels").mkdir()
    plan = subprocess.check_output(["make", "--dry-run", "install"], cwd=software, text=True)
    (install,) = [line.split() for line in plan.splitlines() if "pip" in line]
    assert install[0] == ".venv/bin/python"
    assert install[-2:] == ["--requirement", "requirements.lock"]
    assert ("--no-index" in install) == wheels


def test_two_recipes_and_models_of_one_name_stay_apart(tmp_path, segmented, tiny_models):
    """One data set in two training configurations: the weights differ, and so may the recipe."""
    other = tmp_path / "other" / tiny_models.name
    shutil.copytree(tiny_models, other)
    save_model(other / "cells", tiny_network(9, "cells"), {})
    recipe = tmp_path / "other" / "Tiny.yaml"
    shutil.copy(segmented["recipe"], recipe)
    again = {**segmented, "recipe": str(recipe), "model": str(other), "sequence": "02"}
    dataset = Path(segmented["dataset"])
    shutil.copytree(dataset / "02_RES", dataset / "02_RES-GT", ignore=shutil.ignore_patterns(".*"))
    plan = write_plan(
        tmp_path / "plan.yaml", {**segmented, "sequence": "01"}, {**again, "training": "GT"}
    )
    assert package(plan, tmp_path / "packed") == 0
    scripts = {path.name: path.read_text() for path in (tmp_path / "packed/SW").glob("Tiny-*")}
    assert "config/datasets/Tiny.yaml" in scripts["Tiny-01.sh"]
    assert "config/datasets/Tiny-2.yaml" in scripts["Tiny-02-GT.sh"]
    weights = [
        (tmp_path / "packed/SW/models") / name / "cells/weights.safetensors"
        for name in (tiny_models.name, f"{tiny_models.name}-2")
    ]
    assert weights[0].read_bytes() != weights[1].read_bytes()


def damage_mask(dataset: Path) -> None:
    (dataset / "01_RES" / "mask001.tif").unlink()


def damage_record(dataset: Path) -> None:
    (dataset / "01_RES" / ".segmentation.json").write_text("{}")


def tear_record(dataset: Path) -> None:
    (dataset / "01_RES" / ".segmentation.json").write_text("{")


def damage_raw(dataset: Path) -> None:
    shutil.rmtree(dataset / "01")


@pytest.mark.parametrize(
    ("damage", "code", "told"),
    [
        (damage_mask, "result-faulty", "mask001.tif"),
        (damage_record, "record-mismatch", "01_RES"),
        (tear_record, "record-mismatch", "01_RES"),
        (damage_raw, "folder-missing", "01"),
    ],
)
def test_refuses_results_that_are_not_fit(tmp_path, segmented, capsys, damage, code, told):
    damage(Path(segmented["dataset"]))
    plan = write_plan(tmp_path / "plan.yaml", {**segmented, "sequence": "01"})
    assert package(plan, tmp_path / "packed") == 1
    refusal(capsys, code, told)
    assert not list(tmp_path.glob("*packed*"))


def test_refuses_damaged_weights_and_leaves_nothing(tmp_path, segmented, tiny_models, capsys):
    model = tmp_path / "damaged"
    shutil.copytree(tiny_models, model)
    (model / "cells" / "weights.safetensors").write_bytes(b"none")
    plan = write_plan(tmp_path / "plan.yaml", {**segmented, "sequence": "01", "model": str(model)})
    assert package(plan, tmp_path / "packed") == 1
    refusal(capsys, "weights-hash", "weights.safetensors")
    assert not list(tmp_path.glob("*packed*"))


def test_plan_at_fault(tmp_path, segmented, capsys):
    entry = {**segmented, "sequence": "01"}
    assert package(write_plan(tmp_path / "plan.yaml", entry, entry), tmp_path / "packed") == 1
    refusal(capsys, "sequence-twice", "Tiny-01.sh")
    plan = write_plan(tmp_path / "plan.yaml", {**entry, "training": "all"})
    assert package(plan, tmp_path / "packed") == 1
    refusal(capsys, "value-refused", "sequences.0.training", "'all'")


def test_submission_without_networks(tmp_path, tiny_dataset, recipe_file):
    options = ["--recipe", str(recipe_file), "--method", "classical"]
    assert main(["segment", str(tiny_dataset), "02", *options]) == 0
    entry = {"dataset": str(tiny_dataset), "recipe": str(recipe_file), "sequence": "02"}
    plan = write_plan(tmp_path / "plan.yaml", {**entry, "method": "classical"})
    assert package(plan, tmp_path / "packed") == 0
    script = (tmp_path / "packed/SW/Tiny-02.sh").read_text()
    assert "--method classical" in script
    assert "--model" not in script
    assert not (tmp_path / "packed/SW/models").exists()
