# What several rules share: data sets, networks, what jobs ask for. No rules in here. What follows
# from the configuration alone stands with its models, in efficientcellseg/parameters/run.py.


from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import CARD, WEIGHTS, network_folders
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import find_recipe, open_recipe
from efficientcellseg.parameters.dataset_run import method_of
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.plan import plan_networks


def told(function, *arguments):
    """Call a function of the package; report its errors without a traceback."""
    try:
        return function(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


if unknown := sorted({*RUN.methods, *RUN.models, *RUN.training_changes} - METHODS.keys()):
    raise WorkflowError(
        f"methods: {', '.join(unknown)}: no such method; expected some of {', '.join(METHODS)}"
    )


DATASETS = {entry.name: entry for entry in RUN.datasets}
# What methods with networks change of a training configuration.
OWN_TRAINING = {name: one.training for name, one in METHODS.items() if one.training is not None}
# Wildcard `method` is the folder of a method's results, which may be of networks cross-validated.
FOLDERS = {name: RUN.folders(entry, OWN_TRAINING) for name, entry in DATASETS.items()}
ALL_FOLDERS = sorted({folder for folders in FOLDERS.values() for folder in folders})


def from_here(path):
    """Make a path relative to the project's folder if it is inside."""
    path = Path(path).resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def own_recipe(name):
    """Find a data set's recipe file; None if only the challenge's table knows it."""
    found = DATASETS[name].recipe or told(find_recipe, name)
    return found and from_here(found)


OWN_RECIPES = {name: own_recipe(name) for name in DATASETS}
RECIPES = {name: told(open_recipe, file or name) for name, file in OWN_RECIPES.items()}
# Rule `recipe` writes those of the table.
RECIPE_FILES = {
    name: str(file or f"{RUN.pathvars.results}/recipes/{name}.yaml")
    for name, file in OWN_RECIPES.items()
}


def one_of(names):
    """Make the pattern of a wildcard that matches the given names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    method=one_of(ALL_FOLDERS),
    sequence=r"\d{2}",
    shard=r"\d+-\d+",
    part=r"(_\d*-\d*)?",


def recipe_file(wildcards):
    """Return a data set's recipe file."""
    return RECIPE_FILES[wildcards.dataset]


def dataset_dir(wildcards):
    """Return the folder of a data set."""
    return str(Path(RUN.pathvars.data, wildcards.dataset))


def scored_masks(wildcards):
    """Return the masks to score: those numbered by track, if they are linked."""
    place = "tracks/" if DATASETS[wildcards.dataset].tracking else ""
    return f"<results>/{place}{wildcards.method}/{wildcards.dataset}/{wildcards.sequence}_RES"


SCORES = [
    f"<results>/scores/{method}/{name}/{sequence}{part.suffix}.json"
    for name, entry in DATASETS.items()
    for method in FOLDERS[name]
    for sequence in entry.sequences
    for part in entry.scored_parts(sequence)
]


# Networks: trained or imported by the run itself, by their folder's name, or there.


TRAINED = RUN.trainings(OWN_TRAINING)
TRAININGS = {
    name: told(read_yaml, Path(one.file), TrainingConfiguration, one.changes)
    for name, one in TRAINED.items()
}
IMPORTED = {Path(entry.weights).stem: entry.weights for entry in RUN.datasets if entry.weights}

# A folder that is not there, in place of the networks that no recipe names.
UNNAMED = "networks-of-your-own"


def networks_dir(dataset, folder, sequence):
    """Return the folder of the networks that make a folder of results."""
    entry, method = DATASETS[dataset], method_of(folder)
    if own := RUN.models.get(method):
        return own
    if entry.training and method in OWN_TRAINING:
        name = entry.networks(method, "" if method == folder else sequence)
        return f"{RUN.pathvars.results}/models/{name}"
    if entry.weights:
        return f"{RUN.pathvars.results}/models/{Path(entry.weights).stem}"
    return entry.model or RUN.model or RECIPES[dataset].model or UNNAMED


def network_files(folder, dataset, method):
    """List the files of a method's networks for a data set, whether they exist yet or not."""
    recipe = METHODS[method].adapt(RECIPES[dataset])
    if not (maps := recipe.maps):
        return []
    if folder == UNNAMED:
        told(getattr, recipe, "model_dir")
    path = Path(folder)
    made = path.parent == Path(RUN.pathvars.results, "models")
    if made and path.name in TRAININGS:
        networks = [path / name for name in told(plan_networks, TRAININGS[path.name], maps)]
    elif made and path.name in IMPORTED:
        networks = [path / name for name in maps]
    else:
        networks = told(network_folders, path, maps)
    return [str(network / file) for network in networks for file in (CARD, WEIGHTS)]


def model_dir(wildcards):
    """Return the folder of the networks that a job uses."""
    return networks_dir(wildcards.dataset, wildcards.method, wildcards.sequence)


def model_files(wildcards):
    """List the files of the networks that a job uses; none for a method without networks."""
    return network_files(model_dir(wildcards), wildcards.dataset, method_of(wildcards.method))


# All folders of networks of the run.
MODELS_USED = sorted(
    {
        networks_dir(name, folder, sequence)
        for name, entry in DATASETS.items()
        for folder in FOLDERS[name]
        for sequence in entry.sequences
        if METHODS[method_of(folder)].adapt(RECIPES[name]).maps
    }
)
