# From masks to tracks, for the data sets of the run that ask for them.


rule track:
    """Link the masks of a sequence through time: tracked masks and res_track.txt."""
    input:
        masks="<results>/{method}/{dataset}/{sequence}_RES",
        recipe=recipe_file,
    output:
        directory("<results>/tracks/{method}/{dataset}/{sequence}_RES"),
    log:
        "<logs>/track/{method}/{dataset}/{sequence}.log",
    benchmark:
        "<benchmarks>/track/{method}/{dataset}/{sequence}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(20),
        runtime=minutes(4),
    params:
        folder=dataset_dir,
    shell:
        "python -m efficientcellseg track {params.folder:q} {wildcards.sequence} "
        "--result {input.masks:q} --recipe {input.recipe:q} --output {output:q} > {log:q} 2>&1"


rule tracks:
    """All tracks."""
    input:
        [
            f"<results>/tracks/{method}/{name}/{sequence}_RES"
            for name, entry in DATASETS.items()
            if entry.tracking
            for method in FOLDERS[name]
            for sequence in entry.sequences
        ],
