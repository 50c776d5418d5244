# Functions that the rules share. No rules in here.

from snakemake.exceptions import WorkflowError

from ctc_eval.sequence import InputError
from efficientcellseg.methods import METHODS, find_method
from efficientcellseg.recipe import find_recipe, load_recipe
from efficientcellseg.weights import CARD, WEIGHTS, network_folders, read_card

# Methods that run a job a step; the others run in one job a shard, those with networks as FUSED.
STAGED = ["efficientcellseg"]
FUSED = [name for name in METHODS if name not in [*STAGED, "classical"]]

# What the table calls networks, by their kind.
TITLES = {"unet": "U-Net", "dunet": "DU-Net", "unet3d": "3D U-Net"}


def by_name(entries):
    """Sort the configuration's data sets by their names, which must differ."""
    names = [entry["name"] for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WorkflowError(
            f"datasets: {', '.join(twice)} stands twice; name each once"
        )
    return dict(zip(names, entries))


def recipe_path(dataset):
    """Find the recipe of a data set, named from the project's folder where it lies in there."""
    path = Path(DATASETS[dataset]["recipe"] or find_recipe(dataset)).resolve()
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


def shard_frames(wildcards):
    """Say a shard as the command lines do: 0010-0020 is 10:20."""
    return ":".join(str(int(number)) for number in wildcards.shard.split("-"))


def model_dir(wildcards):
    """Give the folder of the networks of a method and data set."""
    model = config["models"].get(wildcards.method, config["model"])
    return model or RECIPES[wildcards.dataset].model


def network_dirs(folder, maps):
    """List the folders of the networks for some maps, a folder a map where there are none yet."""
    folder = Path(folder)
    if not (folder / CARD).is_file() and not any(folder.glob(f"*/{CARD}")):
        return [folder / name for name in maps]
    try:
        return network_folders(folder, maps)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def model_files(wildcards):
    """List the files of the networks of a method and data set; none for a method without."""
    maps = find_method(wildcards.method).adapt(RECIPES[wildcards.dataset]).networks
    folders = network_dirs(model_dir(wildcards), maps) if maps else []
    return [str(folder / name) for folder in folders for name in (CARD, WEIGHTS)]


def model_options(wildcards):
    """Give what a score says of the networks: their number, kind, weights and training."""
    cards = [read_card(Path(file).parent) for file in model_files(wildcards)[::2]]
    if not cards:
        return ["--networks", "none"]
    built = cards[0]["architecture"]
    title = TITLES.get(built.get("kind"), f"EfficientCellSeg {built.get('encoder')}")
    if any("parameters" not in card for card in cards):
        raise WorkflowError(
            f"{model_dir(wildcards)}: a model.yaml without the key parameters"
        )
    weights = sum(card["parameters"] for card in cards)
    # With repetitions; cards of earlier trainings do not say.
    seen = sum(card.get("slices_seen", 0) for card in cards)
    return [
        "--networks",
        f"{len(cards)} x {title}",
        "--parameters",
        str(weights),
        "--training",
        f"{seen} slices" if seen else "",
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
    notes = [note for note in (recipe.reference_note, part["note"]) if note]
    reference = (
        Path(dataset_dir(wildcards)) / f"{wildcards.sequence}_{recipe.reference}"
    )
    return [
        *("--reference", str(reference), "--reference-note", "; ".join(notes)),
        *("--penalize-extra-detections", str(int(recipe.penalize_extra_detections))),
        *("--frames", part["frames"], "--measures", measures(wildcards)),
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
        f"<results>/runs/{training}/{model}/{seed}"
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
