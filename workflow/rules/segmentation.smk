# From frames to masks: one job per step and shard of frames. Files between the steps are temporary.
# A shard starts when its networks and the masks of an earlier shard exist, so that everything in
# progress fits into disk_gb, however long jobs wait for a GPU.

from efficientcellseg.parameters.dataset_run import shard_frames

# The methods that run step by step; the others run in one job a shard.
STAGED = [folder for folder in ALL_FOLDERS if METHODS[method_of(folder)].staged]
# What runs networks, where the run says it; `plan` writes it into the recipe of the other steps.
BACKEND = f"--backend {RUN.backend}" if RUN.backend else ""
FUSED = [folder for folder in ALL_FOLDERS if folder not in [*STAGED, "classical"]]


rule pseudocolor:
    """Color each slice by its neighbors: DIR/tTTT.npy, (Z, Y, X, 3)."""
    input:
        ready="<results>/ready/{dataset}.done",
        recipe="<results>/plans/{method}/{dataset}/{sequence}.yaml",
        model=model_files,
        before=ancient(masks_before),
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/pseudocolor")),
    log:
        "<logs>/pseudocolor/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/pseudocolor/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method=one_of(STAGED),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(30, 300),
        runtime=minutes(2),
    params:
        folder=dataset_dir,
        frames=lambda wildcards: shard_frames(wildcards.shard),
    shell:
        "python -m efficientcellseg pseudocolor {params.folder:q} {wildcards.sequence} "
        "--output {output:q} --recipe {input.recipe:q} --frames {params.frames} > {log:q} 2>&1"


rule plan:
    """Fit the recipe's tiles to the cells of a sequence and to the networks: a new recipe."""
    input:
        ready="<results>/ready/{dataset}.done",
        recipe=recipe_file,
        model=model_files,
    output:
        "<results>/plans/{method}/{dataset}/{sequence}.yaml",
    log:
        "<logs>/plan/{method}/{dataset}/{sequence}.log",
    benchmark:
        "<benchmarks>/plan/{method}/{dataset}/{sequence}.tsv"
    wildcard_constraints:
        method=one_of([*STAGED, *FUSED]),
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=memory(15, 1600),
        runtime=minutes(4),
        gpu=RUN.gpus,
    params:
        folder=dataset_dir,
        method=lambda wildcards: method_of(wildcards.method),
        model=model_dir,
        device=RUN.device,
        backend=BACKEND,
    shell:
        "python -m efficientcellseg plan {params.folder:q} {wildcards.sequence} "
        "--recipe {input.recipe:q} --method {params.method} --model {params.model:q} "
        "--device {params.device} {params.backend} --output {output:q} > {log:q} 2>&1"


rule tile:
    """Cut pseudocolored slices into tiles for the network: DIR/tTTT.npz."""
    input:
        pseudocolor="<results>/work/{method}/{dataset}/{sequence}/{shard}/pseudocolor",
        recipe="<results>/plans/{method}/{dataset}/{sequence}.yaml",
        model=model_files,
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/tiles")),
    log:
        "<logs>/tile/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/tile/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method=one_of(STAGED),
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory(38, 300),
        runtime=minutes(1),
    params:
        model=model_dir,
    shell:
        "python -m efficientcellseg tile {input.pseudocolor:q} --output {output:q} "
        "--recipe {input.recipe:q} --model {params.model:q} > {log:q} 2>&1"


rule infer:
    """Run the networks on the tiles and assemble the maps: DIR/tTTT.npz, (Z, Y, X) each."""
    input:
        tiles="<results>/work/{method}/{dataset}/{sequence}/{shard}/tiles",
        recipe="<results>/plans/{method}/{dataset}/{sequence}.yaml",
        model=model_files,
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/maps")),
    log:
        "<logs>/infer/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/infer/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method=one_of(STAGED),
    priority: 2
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=memory(16, 1600),
        runtime=minutes(20),
        gpu=RUN.gpus,
    params:
        model=model_dir,
        device=RUN.device,
    shell:
        "python -m efficientcellseg infer {input.tiles:q} --output {output:q} "
        "--recipe {input.recipe:q} --model {params.model:q} --device {params.device} > {log:q} 2>&1"


rule label:
    """Turn maps into cells: DIR/maskTTT.tif, uint16 (Z, Y, X)."""
    input:
        maps="<results>/work/{method}/{dataset}/{sequence}/{shard}/maps",
        recipe="<results>/plans/{method}/{dataset}/{sequence}.yaml",
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/masks")),
    log:
        "<logs>/label/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/label/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method=one_of(STAGED),
    priority: 3
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(40, 300),
        runtime=minutes(4),
    shell:
        "python -m efficientcellseg label {input.maps:q} --output {output:q} "
        "--recipe {input.recipe:q} > {log:q} 2>&1"


rule classical:
    """Segment without networks: Otsu's threshold and distance watershed, in one job."""
    input:
        ready="<results>/ready/{dataset}.done",
        recipe=recipe_file,
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/masks")),
    log:
        "<logs>/classical/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/classical/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method="classical",
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(40, 300),
        runtime=minutes(4),
    params:
        folder=dataset_dir,
        frames=lambda wildcards: shard_frames(wildcards.shard),
    shell:
        "python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "
        "--method {wildcards.method} --output {output:q} --recipe {input.recipe:q} "
        "--frames {params.frames} > {log:q} 2>&1"


rule fused:
    """Segment with one of the compared methods and its own networks, in one job."""
    input:
        ready="<results>/ready/{dataset}.done",
        recipe="<results>/plans/{method}/{dataset}/{sequence}.yaml",
        model=model_files,
    output:
        temp(directory("<results>/work/{method}/{dataset}/{sequence}/{shard}/masks")),
    log:
        "<logs>/fused/{method}/{dataset}/{sequence}_{shard}.log",
    benchmark:
        "<benchmarks>/fused/{method}/{dataset}/{sequence}_{shard}.tsv"
    wildcard_constraints:
        method=one_of(FUSED),
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=memory(200, base=3000),
        runtime=minutes(120),
        gpu=RUN.gpus,
    params:
        folder=dataset_dir,
        method=lambda wildcards: method_of(wildcards.method),
        frames=lambda wildcards: shard_frames(wildcards.shard),
        model=model_dir,
        device=RUN.device,
    shell:
        "python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "
        "--method {params.method} --output {output:q} --recipe {input.recipe:q} "
        "--model {params.model:q} --device {params.device} --frames {params.frames} --scale-check off "
        "> {log:q} 2>&1"


rule gather:
    """Collect the masks of all shards, in challenge layout."""
    input:
        shards=lambda wildcards: [
            f"<results>/work/{{method}}/{{dataset}}/{{sequence}}/{shard}/masks"
            for shard in shard_names(wildcards)
        ],
        ready="<results>/ready/{dataset}.done",
        recipe=lambda wildcards: (
            "<results>/plans/{method}/{dataset}/{sequence}.yaml"
            if model_files(wildcards)
            else recipe_file(wildcards)
        ),
        model=model_files,
    output:
        directory("<results>/{method}/{dataset}/{sequence}_RES"),
    log:
        "<logs>/gather/{method}/{dataset}/{sequence}.log",
    benchmark:
        "<benchmarks>/gather/{method}/{dataset}/{sequence}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        folder=dataset_dir,
        method=lambda wildcards: method_of(wildcards.method),
        model=model_dir,
    shell:
        "python -m efficientcellseg gather {params.folder:q} {wildcards.sequence} "
        "{input.shards:q} --recipe {input.recipe:q} --method {params.method} "
        "--model {params.model:q} --output {output:q} > {log:q} 2>&1"


rule segmentation:
    """All masks."""
    input:
        [
            f"<results>/{method}/{name}/{sequence}_RES"
            for name, entry in DATASETS.items()
            for method in FOLDERS[name]
            for sequence in entry.sequences
        ],
