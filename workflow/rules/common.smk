# What several rules share: data sets, networks, what jobs ask for. No rules in here; what one rule
# alone needs stands above it.

from math import ceil, prod
from types import SimpleNamespace

from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import CARD, WEIGHTS, network_folders
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import find_recipe, open_recipe
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.plan import plan_networks


def told(function, *arguments):
    """Call a function of the package; what it refuses is told without a traceback."""
    try:
        return function(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


if unknown := sorted({*RUN.methods, *RUN.models} - METHODS.keys()):
    raise WorkflowError(
        f"methods: {', '.join(unknown)}: no such method; expected some of {', '.join(METHODS)}"
    )


# Data sets


DATASETS = {entry.name: entry for entry in RUN.datasets}


def from_here(path):
    """Name a file from the project's folder where it lies in there."""
    path = Path(path).resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def place_of_recipe(name):
    """Say where a data set's recipe lies: rule `recipe` writes what the challenge's table says."""
    found = DATASETS[name].recipe or told(find_recipe, name)
    return (
        str(from_here(found))
        if found
        else f"{RUN.pathvars.results}/recipes/{name}.yaml"
    )


RECIPE_FILES = {name: place_of_recipe(name) for name in DATASETS}
RECIPES = {
    name: told(open_recipe, entry.recipe or name) for name, entry in DATASETS.items()
}


def one_of(names):
    """Make the pattern of a wildcard that takes one of some names, of none if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    method=one_of(RUN.methods),
    sequence=r"\d{2}",
    shard=r"\d+-\d+",
    part=r"(_\d*-\d*)?",


def recipe_file(wildcards):
    """Give a data set's recipe file."""
    return RECIPE_FILES[wildcards.dataset]


def dataset_dir(wildcards):
    """Give the folder of a data set."""
    return str(Path(RUN.pathvars.data, wildcards.dataset))


def part_name(part):
    """Name a part of a sequence in file names: _0-12 for frames 0:12, nothing for all."""
    return "" if part.frames == ":" else f"_{part.frames.replace(':', '-')}"


def score_files():
    """List the scores of all methods, data sets, sequences and parts of them."""
    return [
        f"<results>/scores/{method}/{name}/{sequence}{part_name(part)}.json"
        for name, entry in DATASETS.items()
        for method in RUN.methods
        for sequence in entry.sequences
        for part in entry.parts
    ]


# What a job asks for; docs/scale.md says how the figures were measured.


def memory(bytes_per_voxel, base=1000):
    """Make the MB that a job asks for: for the largest frame, and more at each attempt."""

    def mem_mb(wildcards, attempt):
        voxels = prod(DATASETS[wildcards.dataset].frame)
        return attempt * round(base + bytes_per_voxel * voxels / 1e6)

    return mem_mb


def minutes(seconds_per_million):
    """Make the time that a job asks for: seconds a million voxels on one CPU core, and a start."""

    def runtime(wildcards, attempt):
        entry = DATASETS[wildcards.dataset]
        frames = entry.frames_per_shard
        if not hasattr(wildcards, "shard"):
            frames = entry.sequences.get(getattr(wildcards, "sequence", None), 1)
        seconds = frames * seconds_per_million * prod(entry.frame) / 1e6
        return attempt * (10 + ceil(seconds / 60))

    return runtime


# Networks: trained or imported by the run itself, by the name of the file that says how, or there.


TRAININGS = {
    Path(entry.training).stem: entry.training
    for entry in RUN.datasets
    if entry.training
}
IMPORTED = {
    Path(entry.weights).stem: entry.weights for entry in RUN.datasets if entry.weights
}


# A folder that is not there, in place of the networks that no recipe names.
UNNAMED = "networks-of-your-own"


def model_dir(wildcards):
    """Give the folder of a method's networks for a data set."""
    entry = DATASETS[wildcards.dataset]
    if own := RUN.models.get(getattr(wildcards, "method", "efficientcellseg")):
        return own
    if made := entry.training or entry.weights:
        return f"{RUN.pathvars.results}/models/{Path(made).stem}"
    recipe = RECIPES[wildcards.dataset]
    return entry.model or RUN.model or recipe.model or UNNAMED


def network_files(folder, recipe):
    """List the files of the networks that predict a recipe's maps, there already or not yet."""
    if not recipe.maps:
        return []
    if folder == UNNAMED:
        told(getattr, recipe, "model_dir")
    path = Path(folder)
    if path.parent == Path(RUN.pathvars.results, "models") and path.name in TRAININGS:
        training = told(read_yaml, Path(TRAININGS[path.name]), TrainingConfiguration)
        networks = [path / name for name in told(plan_networks, training, recipe.maps)]
    elif path.parent == Path(RUN.pathvars.results, "models") and path.name in IMPORTED:
        networks = [path / name for name in recipe.maps]
    else:
        networks = told(network_folders, path, recipe.maps)
    return [str(network / file) for network in networks for file in (CARD, WEIGHTS)]


def model_files(wildcards):
    """List the files of the networks of a method and data set; none for a method without."""
    method = METHODS[getattr(wildcards, "method", "efficientcellseg")]
    return network_files(model_dir(wildcards), method.adapt(RECIPES[wildcards.dataset]))
