# Downloads and simulations. A flag says that a data set exists. The frames themselves are not
# outputs, because Snakemake deletes outputs before it makes them again, and they may be the user's.

from efficientcellseg.parameters.scene import find_scene
from efficientcellseg.parameters.challenge import CHALLENGE, challenge_datasets

SIMULATED = [name for name, recipe in RECIPES.items() if recipe.source.kind == "simulation"]


rule recipe:
    """Write the recipe of a data set that only the challenge's table knows."""
    input:
        table=str(from_here(CHALLENGE)),
        base=lambda wildcards: str(
            from_here(find_recipe(challenge_datasets()[wildcards.dataset].base))
        ),
    output:
        "<results>/recipes/{dataset}.yaml",
    log:
        "<logs>/recipe/{dataset}.log",
    benchmark:
        "<benchmarks>/recipe/{dataset}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=500,
    shell:
        "python -m efficientcellseg recipe {wildcards.dataset:q} --output {output:q} "
        "> {log:q} 2>&1"


rule simulate:
    """Simulate a data set with its reference, with the recipe's seed."""
    input:
        recipe=recipe_file,
        scene=lambda wildcards: str(
            from_here(told(find_scene, RECIPES[wildcards.dataset].source.scene))
        ),
    output:
        touch("<results>/ready/{dataset}.done"),
    log:
        "<logs>/simulate/{dataset}.log",
    benchmark:
        "<benchmarks>/simulate/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(SIMULATED),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(120),
    params:
        folder=dataset_dir,
        sequences=lambda wildcards: list(DATASETS[wildcards.dataset].sequences),
    shell:
        "python -m efficientcellseg simulate {input.recipe:q} {params.folder:q} "
        "--sequences {params.sequences:q} > {log:q} 2>&1"


rule download:
    """Download and check a data set, unless it exists already."""
    input:
        recipe=recipe_file,
    output:
        touch("<results>/ready/{dataset}.done"),
    log:
        "<logs>/download/{dataset}.log",
    benchmark:
        "<benchmarks>/download/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(sorted(DATASETS.keys() - SIMULATED)),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=RUN.pathvars.data,
        sequences=lambda wildcards: list(DATASETS[wildcards.dataset].sequences),
    shell:
        "python -m efficientcellseg download {input.recipe:q} {params.folder:q} "
        "--name {wildcards.dataset:q} --sequences {params.sequences:q} > {log:q} 2>&1"
