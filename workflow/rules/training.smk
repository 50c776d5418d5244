# Networks of the run's own: samples, then a job a network. Data sets with the key `training`
# are segmented with them; those with the key `weights`, with the authors' own. What is changed of
# a training configuration, for a method or to leave a sequence out, goes by --set.

from efficientcellseg.parameters.locations import ROOT


wildcard_constraints:
    training=one_of(TRAININGS),
    weights=one_of(IMPORTED),
    maps="[a-z_+]+",
    fold=r"(-\d+)?",


rule samples:
    """Cut the data of a training configuration into tiles with targets, for all networks."""
    input:
        # Data sets that are not run lie there by hand.
        ready=lambda wildcards: [
            f"<results>/ready/{entry.dataset}.done"
            for entry in TRAININGS[wildcards.training].data
            if entry.dataset in DATASETS and not entry.folder
        ],
        configuration=lambda wildcards: TRAINED[wildcards.training].file,
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
        changes=lambda wildcards: TRAINED[wildcards.training].changes,
    shell:
        "python -m efficientcellseg samples {input.configuration:q} --data {params.data:q} "
        "--output {output:q} --set {params.changes:q} > {log:q} 2>&1"


rule train:
    """Train the network of some maps; a job that was stopped continues from its checkpoint."""
    input:
        samples="<results>/samples/{training}.npz",
        configuration=lambda wildcards: TRAINED[wildcards.training].file,
        start=lambda wildcards: TRAININGS[wildcards.training].weights_files,
    output:
        card="<results>/models/{training}/{maps}{fold}/model.yaml",
        weights="<results>/models/{training}/{maps}{fold}/weights.safetensors",
    log:
        "<logs>/train/{training}/{maps}{fold}.log",
    benchmark:
        "<benchmarks>/train/{training}/{maps}{fold}.tsv"
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
        fold=lambda wildcards: wildcards.fold.replace("-", "--fold "),
        changes=lambda wildcards: TRAINED[wildcards.training].changes,
        device=RUN.device,
    shell:
        "python -m efficientcellseg train {input.configuration:q} --samples {input.samples:q} "
        "--maps {params.maps} {params.fold} --output {params.folder:q} --device {params.device} "
        "--threads {threads} --set {params.changes:q} > {log:q} 2>&1"


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
