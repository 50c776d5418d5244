"""Reading: YAML that is none, keys that stand twice, changes from the command line."""

import time

import pytest
import yaml
from refusal import refused

from efficientcellseg.parameters.reading import check_values, read_yaml
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.parameters.run import RunConfiguration
from efficientcellseg.parameters.training import TrainingConfiguration

TRAINING = {"model": {"input_size": 64}, "data": [{"dataset": "Tiny"}], "targets": ["cells"]}
RUN = {"pathvars": {}, "datasets": [{"name": "A", "sequences": {"01": 2}}]}
# Ten times ten times ... nine times over, in 300 bytes; and a list in a list ... 100 times.
BILLION = b"a0: &a0 x\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i + 1, i + 1, b", ".join([b"*a%d" % i] * 10)) for i in range(9)
)
CHAIN = b"a0: &a0 x\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i + 1, i + 1, i) for i in range(100))


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"name: [", "yaml-malformed", "not YAML"),
        (b"\xff\xfe\x00", "yaml-malformed", "not YAML"),
        (b"digits: 3\nname: A\ndigits: 4\n", "yaml-malformed", "key digits appears twice"),
        (b"name: !!python/object/apply:os.getcwd []\n", "yaml-malformed", "not YAML"),
        (BILLION, "yaml-malformed", "more than 500000 values"),
        (b"a: &a [*a]\n", "yaml-malformed", "more than 500000 values"),
        (CHAIN, "yaml-malformed", "or 30 levels"),
        (b"<<: *a\n", "yaml-malformed", "undefined alias"),
        (b"a: " + b"[" * 3000, "yaml-malformed", "or 30 levels"),
        (b"a: " + b"{b: " * 40, "yaml-malformed", "or 30 levels"),
        (b"digits: " + b"1" * 5000 + b"\n", "yaml-malformed", "a number of 5000 digits"),
        (b"digits: 1" + b":1" * 5000 + b"\n", "yaml-malformed", "a number of"),
        (b"name: 2026-99-99\n", "yaml-malformed", "not YAML"),
        (b"name: A\n# " + b"x" * (4 << 20), "yaml-malformed", "bytes; expected a YAML file of"),
        (b"name: 2026-11-25\n", "value-refused", "name: found datetime.date"),
        (b"", "value-refused", "top level: found None, allowed: a mapping"),
        (b"- 1\n", "value-refused", "top level: found [1], allowed: a mapping"),
        (b"1: 2\n", "key-missing", "top level: unknown key 1, allowed: backend"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, content, code, told):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with refused(code, str(path), told):
        read_yaml(path, Recipe)


def test_a_value_may_stand_for_another(tmp_path):
    """PyYAML writes so what is there twice."""
    path = tmp_path / "t.yaml"
    twice = {**TRAINING, "data": [{"dataset": "Tiny"}, {"dataset": "Tiny"}]}
    twice["data"][1] = twice["data"][0]
    path.write_text(yaml.safe_dump(twice))
    assert "&id001" in path.read_text()
    assert len(read_yaml(path, TrainingConfiguration).data) == 2


def test_many_keys_take_no_time(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("".join(f"k{number}: 1\n" for number in range(3000)))
    begin = time.process_time()
    with refused("key-missing", "unknown key k0, k1, "):
        read_yaml(path, Recipe)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "values",
    [
        {"voxel_size": [1.0e-6, 1.0, 1.0]},
        {"voxel_size": [1.0, 1.0e-4, 1.0]},
        {"voxel_size": [1.0, 1.0e9, 1.0e9]},
        {"pseudocolor": {"steps": 1_000_000_000}},
        {"pseudocolor": {"grid": 100_000}},
        {"pseudocolor": {"blur": 1_000_000}},
        {"pseudocolor": {"smoothing": [0.0, 1.0e6, 0.0]}},
        {"tiling": {"rows": 1000, "columns": 1000}},
        {"tiling": {"side": 1}},
        {"labeling": {"method": "marker_watershed", "min_distance": 1.0e6}},
        {"labeling": {"method": "marker_watershed", "anisotropy": 1.0e-6}},
        {"labeling": {"method": "offset_voting", "offset_scale": 1.0e9}},
    ],
)
def test_values_that_would_never_end(values):
    sound = {
        "name": "A",
        "description": "",
        "sequences": ["01"],
        "voxel_size": [1.0, 1.0, 1.0],
        "source": {"kind": "local"},
        "labeling": {"method": "components"},
    }
    maps = {"maps": ["cells", "centers", "offset_planes", "offset_rows", "offset_columns"]}
    check_values(sound | maps, Recipe, "recipe")
    with refused("value-refused", "allowed: "):
        check_values(sound | maps | values, Recipe, "recipe")


def test_changes_take_the_place_of_single_keys(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(TRAINING))
    changes = ["model.decoder_filters=[1, 2, 3, 4]", "training.seed=3", "targets=null"]
    found = read_yaml(path, TrainingConfiguration, changes)
    assert found.model.decoder_filters == (1, 2, 3, 4)
    assert (found.model.input_size, found.training.seed) == (64, 3)
    assert found.targets == ("cells", "centers")
    with refused("key-unknown", "training: unknown key sed (meant: seed?)"):
        read_yaml(path, TrainingConfiguration, ["training.sed=3"])


@pytest.mark.parametrize("change", ["training.seed", "=3", "a=[1", "data.0.share=1"])
def test_changes_at_fault(tmp_path, change):
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(TRAINING))
    with refused("change-malformed"):
        read_yaml(path, TrainingConfiguration, [change])


@pytest.mark.parametrize(
    ("code", "changes", "told"),
    [
        ("key-unknown", {"threeds": 1}, "top level: unknown key threeds (meant: threads?), allow"),
        ("value-refused", {"device": "gpu"}, "device: found 'gpu', allowed: text like the pattern"),
        ("value-refused", {"model": 3}, "model: found 3, allowed: text (in quotes where it is a"),
        ("value-refused", {"model": 3}, " or null;"),
        ("value-refused", {"pathvars": {"data": ""}}, "pathvars.data: found '', allowed: text of"),
        ("value-refused", {"models": [1]}, "models: found [1], allowed: a mapping"),
        ("value-refused", {"ablation": {"models": {"1": ["a"]}}}, "ablation.models.1.0: found 'a'"),
        ("value-refused", {"submission": {"csb": ["a", "a"]}}, "submission.csb: found ['a', 'a']"),
        (
            "value-refused",
            {"submission": {"method": "unet"}},
            "allowed: efficientcellseg, cla",
        ),
    ],
)
def test_runs_at_fault(code, changes, told):
    with refused(code, "configuration: ", told):
        check_values({**RUN, **changes}, RunConfiguration, "configuration")


@pytest.mark.parametrize(
    ("code", "sequences", "told"),
    [
        ("key-unknown", {"1": 3}, "sequences: unknown key 1, allowed: keys like ^[0-9]{2}$;"),
        ("key-unknown", {1: 3}, "sequences: unknown key 1, allowed: keys in quotes;"),
        ("value-refused", {"01": 0}, "sequences.01: found 0, allowed: 1 or more;"),
        ("value-refused", {}, "sequences: found {}, allowed: a mapping with 1 or more;"),
    ],
)
def test_an_entry_at_fault_is_all_that_is_told_of_a_list(code, sequences, told):
    run = {**RUN, "datasets": [{"name": "A", "sequences": sequences}]}
    with refused(code, told) as caught:
        check_values(run, RunConfiguration, "configuration")
    assert str(caught.value) == f"configuration: datasets.0.{told} correct the file"


def test_lists_and_whole_numbers_are_taken():
    found = check_values({**RUN, "methods": ["unet", "dunet"]}, RunConfiguration, "configuration")
    assert found.methods == ("unet", "dunet")
    data = [{"dataset": "Tiny", "share": 2}]
    training = check_values({**TRAINING, "data": data}, TrainingConfiguration, "t")
    assert training.data[0].share == 2
