# Networks of the run's own: samples, then a job a network. Data sets with the key `training`
# are segmented with them; those with the key `weights`, with the authors' own.

from efficientcellseg.parameters.locations import ROOT


wildcard_constraints:
    training=one_of(TRAININGS),
    weights=one_of(IMPORTED),
    maps="[a-z_+]+",


rule samples:
    """Cut what a training configuration names into tiles with their targets, for all networks."""
    input:
        # Data sets that are not run lie there by hand.
        ready=lambda wildcards: [
            f"<results>/ready/{entry.dataset}.done"
            for entry in TRAININGS[wildcards.training].data
            if entry.dataset in DATASETS and not entry.folder
        ],
        configuration=lambda wildcards: TRAINING_FILES[wildcards.training],
        recipes=lambda wildcards: [
            str(from_here(ROOT / (entry.recipe or find_recipe(entry.dataset) or CHALLENGE)))
            for entry in TRAININGS[wildcards.training].data
        ],
    output:
        temp("<results>/samples/{training}.npz"),
    log:
        "<logs>/samples/{training}.log",
    benchmark:
        "<benchmarks>/samples/{training}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        data=RUN.pathvars.data,
    shell:
        "python -m efficientcellseg samples {input.configuration:q} --data {params.data:q} "
        "--output {output:q} > {log:q} 2>&1"


rule train:
    """Train the network of some maps; a job that was stopped goes on from its checkpoint."""
    input:
        samples="<results>/samples/{training}.npz",
        configuration=lambda wildcards: TRAINING_FILES[wildcards.training],
    output:
        card="<results>/models/{training}/{maps}/model.yaml",
        weights="<results>/models/{training}/{maps}/weights.safetensors",
    log:
        "<logs>/train/{training}/{maps}.log",
    benchmark:
        "<benchmarks>/train/{training}/{maps}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=1440,
        gpu=RUN.gpus,
    params:
        folder=subpath(output.card, parent=True),
        maps=lambda wildcards: wildcards.maps.replace("+", ","),
        device=RUN.device,
    shell:
        "python -m efficientcellseg train {input.configuration:q} --samples {input.samples:q} "
        "--maps {params.maps} --output {params.folder:q} --device {params.device} "
        "--threads {threads} > {log:q} 2>&1"


rule import_onnx:
    """Import the authors' cell network from ONNX, checked against ONNX Runtime."""
    output:
        card="<results>/models/{weights}/cells/model.yaml",
        weights="<results>/models/{weights}/cells/weights.safetensors",
    log:
        "<logs>/import_onnx/{weights}.log",
    benchmark:
        "<benchmarks>/import_onnx/{weights}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        source=lambda wildcards: IMPORTED[wildcards.weights],
        folder=subpath(output.card, parent=True),
    shell:
        "python -m efficientcellseg import-onnx {params.source:q} --output {params.folder:q} "
        "> {log:q} 2>&1"
