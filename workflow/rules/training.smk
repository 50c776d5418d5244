# Networks of the run's own: samples, then a job a network. Data sets with the key `training`
# are segmented with them.


rule samples:
    """Cut what a training configuration names into tiles with their targets, for all networks."""
    input:
        ready=training_data,
        configuration=training_file,
        recipes=training_recipes,
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
        data=lookup(dpath="pathvars/data", within=config),
    shell:
        "python -m efficientcellseg samples {input.configuration:q} --data {params.data:q} "
        "--output {output:q} > {log:q} 2>&1"


rule train:
    """Train the network of one map; a job that was stopped goes on from its checkpoint."""
    input:
        samples="<results>/samples/{training}.npz",
        configuration=training_file,
    output:
        card="<results>/models/{training}/{target}/model.yaml",
        weights="<results>/models/{training}/{target}/weights.safetensors",
    log:
        "<logs>/train/{training}/{target}.log",
    benchmark:
        "<benchmarks>/train/{training}/{target}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: lookup(dpath="threads", within=config)
    resources:
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=1440,
        gpu=lookup(dpath="gpus", within=config),
    params:
        folder=lambda wildcards, output: Path(output.card).parent,
        device=lookup(dpath="device", within=config),
    shell:
        "python -m efficientcellseg train {input.configuration:q} --samples {input.samples:q} "
        "--maps {wildcards.target} --output {params.folder:q} --device {params.device} "
        "--threads {threads} > {log:q} 2>&1"


rule take_over:
    """Take over the authors' cell network from ONNX, checked against ONNX Runtime."""
    output:
        card="<results>/models/{weights}/cells/model.yaml",
        weights="<results>/models/{weights}/cells/weights.safetensors",
    log:
        "<logs>/take_over/{weights}.log",
    benchmark:
        "<benchmarks>/take_over/{weights}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        source=lambda wildcards: TAKEN_OVER[wildcards.weights],
        folder=lambda wildcards, output: Path(output.card).parent,
    shell:
        "python -m efficientcellseg import-onnx {params.source:q} --output {params.folder:q} "
        "> {log:q} 2>&1"
