# From masks to scores, pictures, the table and the record of the run.


rule validate:
    """Check a result as the challenge would; list all faults at once, and stop if there is one."""
    input:
        ready="<results>/ready/{dataset}.done",
        masks=scored_masks,
    output:
        "<results>/validation/{method}/{dataset}/{sequence}.txt",
    log:
        "<logs>/validate/{method}/{dataset}/{sequence}.log",
    benchmark:
        "<benchmarks>/validate/{method}/{dataset}/{sequence}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=memory(20),
        runtime=minutes(4),
    params:
        folder=dataset_dir,
        frames=lambda wildcards: DATASETS[wildcards.dataset].frames(wildcards.sequence),
    shell:
        "python -m ctc_eval validate {params.folder:q} {wildcards.sequence} "
        "--frames {params.frames} --result {input.masks:q} 2>&1 | tee {log:q} > {output:q}"


rule score:
    """Score a result, or a part of its frames, against the recipe's reference."""
    input:
        masks=scored_masks,
        valid="<results>/validation/{method}/{dataset}/{sequence}.txt",
    output:
        "<results>/scores/{method}/{dataset}/{sequence}{part}.json",
    log:
        "<logs>/score/{method}/{dataset}/{sequence}{part}.log",
    benchmark:
        "<benchmarks>/score/{method}/{dataset}/{sequence}{part}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: RUN.threads
    resources:
        mem_mb=memory(60),
        runtime=minutes(4),
    params:
        folder=dataset_dir,
        # Which part is scored; the record beside the masks says the rest, also which of these
        # frames were run.
        options=lambda wildcards: DATASETS[wildcards.dataset].score_options(
            wildcards.method, wildcards.part
        ),
        measures=lambda wildcards: (
            "benchmark,TRA,LNK,OP_CTB"
            if DATASETS[wildcards.dataset].tracking
            and RECIPES[wildcards.dataset].reference == "GT"
            else "benchmark"
        ),
    shell:
        "python -m ctc_eval score {params.folder:q} {wildcards.sequence} "
        "--result {input.masks:q} --measures {params.measures} {params.options:q} "
        "--workers {threads} --output {output:q} > {log:q} 2>&1"


rule table:
    """Combine all scores and the published values in one table."""
    input:
        scores=SCORES,
        published=RUN.published,
    output:
        csv=report(
            "<results>/tables/benchmark.csv",
            caption="../report/table.rst",
            category="Scores",
        ),
        text="<results>/tables/benchmark.txt",
    log:
        "<logs>/table.log",
    benchmark:
        "<benchmarks>/table.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=500,
    shell:
        "(python -m ctc_eval table {input.scores:q} --published {input.published:q} "
        "--format csv --output {output.csv:q}; "
        "python -m ctc_eval table {input.scores:q} --published {input.published:q} "
        "--format text --output {output.text:q}) > {log:q} 2>&1"


rule overlay:
    """Draw one frame of a data set with the outlines of the reference and the result."""
    input:
        masks=lambda wildcards: (
            f"<results>/{FOLDERS[wildcards.dataset][0]}/{{dataset}}/"
            f"{DATASETS[wildcards.dataset].pictured}_RES"
        ),
        recipe=recipe_file,
    output:
        report(
            "<results>/figures/{dataset}.png",
            caption="../report/overlay.rst",
            category="Pictures",
            labels={"data set": "{dataset}"},
        ),
    log:
        "<logs>/overlay/{dataset}.log",
    benchmark:
        "<benchmarks>/overlay/{dataset}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory(60),
        runtime=minutes(4),
    params:
        folder=dataset_dir,
        sequence=lambda wildcards: DATASETS[wildcards.dataset].pictured,
        reference=lambda wildcards: (
            f"{dataset_dir(wildcards)}/{DATASETS[wildcards.dataset].pictured}_"
            f"{RECIPES[wildcards.dataset].reference}"
        ),
    shell:
        "python -m efficientcellseg overlay {params.folder:q} {params.sequence} "
        "--result {input.masks:q} --reference {params.reference:q} --recipe {input.recipe:q} "
        "--output {output:q} "
        "> {log:q} 2>&1"


rule provenance:
    """Record versions, device, seeds, configuration, and hashes of recipes, weights and zips."""
    input:
        table="<results>/tables/benchmark.csv",
        recipes=list(RECIPE_FILES.values()),
    output:
        report(
            "<results>/run.json",
            caption="../report/run.rst",
            category="How it was made",
        ),
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        models=MODELS_USED,
        device=RUN.device,
        configuration=RUN.model_dump_json(),
    shell:
        "python -m efficientcellseg provenance {input.recipes:q} --model {params.models:q} "
        "--device {params.device} --configuration {params.configuration:q} --output {output:q} "
        "> {log:q} 2>&1"


rule scores:
    """All scores."""
    input:
        SCORES,
