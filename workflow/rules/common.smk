# Functions that the rules share. No rules in here.

import json
import os
from math import ceil, prod
from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

from ctc_eval.format import InputError
from efficientcellseg.methods import METHODS
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import find_recipe, load_recipe
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.networks.folders import CARD, WEIGHTS, network_folders, read_card

# Methods that run a job a step; the others run in one job a shard, those with networks as FUSED.
STAGED = [name for name, method in METHODS.items() if method.staged]
FUSED = [name for name in METHODS if name not in [*STAGED, "classical"]]


def by_name(entries):
    """Sort the configuration's data sets by their names, which must differ."""
    names = [entry["name"] for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WorkflowError(
            f"datasets: {', '.join(twice)} stands twice; name each once"
        )
    return dict(zip(names, entries))


def recipe_path(dataset):
    """Find the recipe of a data set."""
    return from_here(Path(DATASETS[dataset]["recipe"] or find_recipe(dataset)))


def from_here(path):
    """Name a file from the project's folder where it lies in there."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def read_recipes():
    """Load the recipes of all data sets, so that a fault shows before any job runs."""
    try:
        return {dataset: load_recipe(recipe_path(dataset)) for dataset in DATASETS}
    except InputError as error:
        raise WorkflowError(str(error)) from None


def check_methods(names):
    """Refuse methods that there are not."""
    if unknown := sorted(set(names) - METHODS.keys()):
        raise WorkflowError(
            f"methods: {', '.join(unknown)}: no such method; expected some of "
            f"{', '.join(METHODS)}"
        )


check_methods([*config["methods"], *config["models"]])

DATASETS = by_name(config["datasets"])
RECIPES = read_recipes()
SIMULATED = [
    name for name, recipe in RECIPES.items() if recipe.source["kind"] == "simulation"
]
OTHERS = [name for name in DATASETS if name not in SIMULATED]


def one_of(names):
    """Make the pattern of a wildcard that takes one of some names, of none if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    method=one_of(config["methods"]),
    sequence=r"\d{2}",
    shard=r"\d+-\d+",
    part=r"(_\d*-\d*)?",


def recipe_file(wildcards):
    """Give a data set's recipe file."""
    return str(recipe_path(wildcards.dataset))


def dataset_dir(wildcards):
    """Give the folder of a data set."""
    return str(Path(config["pathvars"]["data"]) / wildcards.dataset)


def sequences_of(wildcards):
    """List the sequences of a data set that are run."""
    return list(DATASETS[wildcards.dataset]["sequences"])


def shards(wildcards):
    """List a sequence's masks, a folder a shard of frames."""
    begin, frames = frame_range(wildcards)
    size = DATASETS[wildcards.dataset]["frames_per_shard"]
    return [
        "<results>/work/{method}/{dataset}/{sequence}/"
        f"{first:04d}-{min(first + size, frames):04d}/masks"
        for first in range(begin, frames, size)
    ]


def frame_range(wildcards):
    """Give the first frame of a sequence that is run, and the one after the last."""
    entry = DATASETS[wildcards.dataset]
    return entry["first"], entry["sequences"][wildcards.sequence]


def sequence_frames(wildcards):
    """Say the frames of a sequence as the command lines do."""
    return ":".join(map(str, frame_range(wildcards)))


def memory(bytes_per_voxel, base=1000):
    """Make what a job asks for, in MB: for the largest frame, and more at each attempt.

    docs/scale.md says how the bytes were measured.
    """

    def mem_mb(wildcards, attempt):
        voxels = prod(DATASETS[wildcards.dataset]["frame"])
        return attempt * round(base + bytes_per_voxel * voxels / 1e6)

    return mem_mb


def minutes(seconds_per_million):
    """Make the time that a job asks for: seconds a million voxels on one CPU core, and a start."""

    def runtime(wildcards, attempt):
        entry = DATASETS[wildcards.dataset]
        frames = entry["frames_per_shard"]
        if not hasattr(wildcards, "shard"):
            frames = entry["sequences"].get(getattr(wildcards, "sequence", None), 1)
        seconds = frames * seconds_per_million * prod(entry["frame"]) / 1e6
        return attempt * (10 + ceil(seconds / 60))

    return runtime


def shard_frames(wildcards):
    """Say a shard as the command lines do: 0010-0020 is 10:20."""
    return ":".join(str(int(number)) for number in wildcards.shard.split("-"))


def model_dir(wildcards):
    """Give the folder of a method's networks: trained or taken over, or there already."""
    entry = DATASETS[wildcards.dataset]
    if own := config["models"].get(getattr(wildcards, "method", STAGED[0])):
        return own
    if made := entry["training"] or entry["weights"]:
        return own_model(Path(made).stem)
    return entry["model"] or config["model"] or RECIPES[wildcards.dataset].model


def own_model(name):
    """Give the folder of networks that this run trains or takes over."""
    return f"{config['pathvars']['results']}/models/{name}"


def model_dirs():
    """List the folders of all networks of the run."""
    return sorted(
        {
            model_dir(SimpleNamespace(dataset=name, method=method))
            for name in DATASETS
            for method in config["methods"]
            if METHODS[method].adapt(RECIPES[name]).maps
        }
    )


def model_files(wildcards):
    """List the files of the networks of a method and data set; none for a method without."""
    method = METHODS[getattr(wildcards, "method", STAGED[0])]
    return network_files(model_dir(wildcards), method.adapt(RECIPES[wildcards.dataset]))


def network_files(folder, recipe):
    """List the files of the networks that a recipe runs; of this run's own, one a map."""
    if not recipe.maps:
        return []
    own = folder in {own_model(name) for name in (*TRAININGS, *TAKEN_OVER)}
    if own and (others := sorted(set(recipe.maps) - {"cells", "centers"})):
        raise WorkflowError(
            f"{recipe.name}: networks {', '.join(others)}; the workflow trains cells and centers "
            "alone: train this network by hand (docs/results.md) and give it as model"
        )
    try:
        folders = (
            [Path(folder, name) for name in recipe.maps]
            if own
            else network_folders(Path(folder), recipe.maps)
        )
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return [str(one / file) for one in folders for file in (CARD, WEIGHTS)]


def model_options(wildcards):
    """Give what a score says of the networks: their number, kind, weights and training."""
    files = model_files(wildcards)[::2]
    for file in files:
        os.stat(file)  # one that is still to be trained makes Snakemake ask again later
    cards = [read_card(Path(file).parent) for file in files]
    if not cards:
        return ["--networks", "none"]
    title = cards[0].architecture.title
    if any(card.parameters is None for card in cards):
        raise WorkflowError(
            f"{model_dir(wildcards)}: a model.yaml without the key parameters"
        )
    weights = sum(card.parameters for card in cards)
    # With repetitions; cards of earlier trainings do not say.
    seen = sum(card.slices_seen for card in cards)
    return [
        "--networks",
        f"{len(cards)} x {title}",
        "--parameters",
        str(weights),
        *(["--training", f"{seen} slices"] if seen else []),
    ]


def measures(wildcards):
    """Name what can be measured: no DET against a silver truth, no PESEG without weights."""
    silver = RECIPES[wildcards.dataset].reference == "ST"
    weighed = bool(model_files(wildcards))
    return ",".join(["SEG"] + ["DET", "OP_CSB"] * (not silver) + ["PESEG"] * weighed)


def score_options(wildcards):
    """Give the options of a score that come from recipe and configuration."""
    recipe = RECIPES[wildcards.dataset]
    parts = DATASETS[wildcards.dataset]["parts"]
    part = next(one for one in parts if part_name(one) == wildcards.part)
    notes = [recipe.reference_note, part["note"], "seen in training" * part["seen"]]
    reference = (
        Path(dataset_dir(wildcards)) / f"{wildcards.sequence}_{recipe.reference}"
    )
    return [
        *(
            "--reference",
            str(reference),
            "--reference-note",
            "; ".join(filter(None, notes)),
        ),
        *("--penalize-extra-detections", str(int(recipe.penalize_extra_detections))),
        *("--frames", part["frames"], "--measures", measures(wildcards)),
        *["--seen"] * part["seen"],
    ]


def part_name(part):
    """Name a part of a sequence in file names: _0-12 for frames 0:12, nothing for all."""
    return "" if part["frames"] == ":" else f"_{part['frames'].replace(':', '-')}"


def score_files():
    """List the scores of all methods, data sets, sequences and parts of them."""
    return [
        f"<results>/scores/{method}/{dataset}/{sequence}{part_name(part)}.json"
        for dataset, entry in DATASETS.items()
        for method in config["methods"]
        for sequence in entry["sequences"]
        for part in entry["parts"]
    ]


ABLATION_TRAININGS = {Path(file).stem: file for file in config["ablation"]["trainings"]}


def ablation_changes(wildcards):
    """Give a model's changes of the training configuration, as options."""
    return ["--set", *config["ablation"]["models"][wildcards.model]]


def ablation_runs(wildcards):
    """List the trained models that are compared."""
    return [
        f"<results>/ablation/runs/{training}/{model}/{seed}"
        for training in ABLATION_TRAININGS
        for model in config["ablation"]["models"]
        for seed in config["ablation"]["seeds"]
    ]


def mask_dirs():
    """List the results of all methods, data sets and sequences."""
    return [
        f"<results>/{method}/{dataset}/{sequence}_RES"
        for dataset, entry in DATASETS.items()
        for method in config["methods"]
        for sequence in entry["sequences"]
    ]


def pictured(wildcards):
    """Give the result that a data set's picture shows: first method, first sequence."""
    sequence = sequences_of(wildcards)[0]
    return f"<results>/{config['methods'][0]}/{wildcards.dataset}/{sequence}_RES"


def picture_reference(wildcards):
    """Give the reference that a data set's picture shows."""
    folder = f"{sequences_of(wildcards)[0]}_{RECIPES[wildcards.dataset].reference}"
    return str(Path(dataset_dir(wildcards)) / folder)


# Training


# By name, the file's: that is the networks' folder.
TRAININGS = {
    Path(entry["training"]).stem: entry["training"]
    for entry in DATASETS.values()
    if entry["training"]
}


# Likewise the networks that are taken over.
TAKEN_OVER = {
    Path(entry["weights"]).stem: entry["weights"]
    for entry in DATASETS.values()
    if entry["weights"]
}


def training_file(wildcards):
    """Give a training configuration's file."""
    return TRAININGS[wildcards.training]


def training_entries(wildcards):
    """List the entries of a training configuration whose data sets may be part of the run."""
    try:
        chosen = read_yaml(Path(training_file(wildcards)), TrainingConfiguration)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return [entry for entry in chosen.data if entry.folder is None]


def training_data(wildcards):
    """List the flags of the data sets to learn from; those that are not run lie there by hand."""
    names = [entry.dataset for entry in training_entries(wildcards)]
    return [f"<results>/ready/{name}.done" for name in names if name in DATASETS]


def training_recipes(wildcards):
    """List the recipes by which samples are cut."""
    entries = training_entries(wildcards)
    files = [ROOT / (one.recipe or find_recipe(one.dataset)) for one in entries]
    return [str(from_here(file)) for file in files]


# Submission


def submitted():
    """List what is submitted: data set, sequence, training configuration, suffix and model."""
    chosen, entries = config["submission"], []
    on_test = chosen["part"] == "test"
    for one in chosen["configurations"]:
        if unknown := sorted(set(one["datasets"] or ()) - DATASETS.keys()):
            raise WorkflowError(
                f"submission.configurations: {', '.join(unknown)}: not one of the datasets"
            )
        suffix = "" if one["training"] == "regular" else f"-{one['training']}"
        for dataset in one["datasets"] or DATASETS:
            recipe = RECIPES[dataset]
            if on_test and recipe.source["kind"] != "zip":
                continue  # the challenge's own data sets alone have test sequences
            sequences = recipe.sequences if on_test else DATASETS[dataset]["sequences"]
            model = one["model"] or model_dir(SimpleNamespace(dataset=dataset))
            entries += [
                SimpleNamespace(
                    dataset=dataset,
                    sequence=sequence,
                    training=one["training"],
                    suffix=suffix,
                    model=model,
                )
                for sequence in sequences
            ]
    return entries


SUBMITTED = submitted()


wildcard_constraints:
    training=one_of(TRAININGS),
    weights=one_of(TAKEN_OVER),
    target="cells|centers",
    suffix=r"(-[A-Za-z+]+)?",


def submitted_data(wildcards):
    """Give the flag that says that the frames to be submitted are there."""
    part = "test/" if config["submission"]["part"] == "test" else ""
    return f"<results>/ready/{part}{wildcards.dataset}.done"


def submitted_dir(wildcards):
    """Give the folder of the frames to be submitted."""
    part = "test" if config["submission"]["part"] == "test" else ""
    return str(Path(config["pathvars"]["data"], part, wildcards.dataset))


def submitted_model(wildcards):
    """Give the networks of a data set in a training configuration."""
    key = (wildcards.dataset, wildcards.suffix)
    return next(one.model for one in SUBMITTED if (one.dataset, one.suffix) == key)


def submitted_model_files(wildcards):
    """List the files of these networks; none for a method without."""
    if config["submission"]["method"] not in STAGED:
        return []
    return network_files(submitted_model(wildcards), RECIPES[wildcards.dataset])


def submitted_masks(one):
    """Give the folder of masks to be submitted."""
    folder = f"{config['pathvars']['results']}/submitted/{one.dataset}"
    return f"{folder}/{one.sequence}_RES{one.suffix}"


def submitted_scores():
    """List the scores that the manifest tells: those of the same method and data sets."""
    method = config["submission"]["method"]
    folders = {f"<results>/scores/{method}/{one.dataset}" for one in SUBMITTED}
    if not config["submission"]["scores"]:
        return []
    return [file for file in score_files() if str(Path(file).parent) in folders]


def submission_plan(wildcards, input):
    """Say what to pack, as `python -m efficientcellseg package` wants it."""
    chosen = config["submission"]
    if not SUBMITTED:
        raise WorkflowError(
            "submission: no data set has test sequences; expected one of the challenge's, or "
            "part: training"
        )
    sequences = [
        {
            "dataset": submitted_dir(one),
            "sequence": one.sequence,
            "training": one.training,
            "masks": submitted_masks(one),
            "recipe": recipe_file(one),
            "model": str(one.model),
            "method": chosen["method"],
            "csb": one.dataset in chosen["csb"],
        }
        for one in SUBMITTED
    ]
    return json.dumps({"sequences": sequences, "scores": list(input.scores)}, indent=1)
