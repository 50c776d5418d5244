# From networks to what the challenge is sent: masks of the test sequences, and the software.


rule download_test:
    """Download and check a data set's test sequences, unless they lie there already."""
    input:
        recipe=recipe_file,
    output:
        touch("<results>/ready/test/{dataset}.done"),
    log:
        "<logs>/download/test/{dataset}.log",
    benchmark:
        "<benchmarks>/download/test/{dataset}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        folder=lookup(dpath="pathvars/data", within=config),
    shell:
        "python -m efficientcellseg download {input.recipe:q} {params.folder:q} --kind test "
        "> {log:q} 2>&1"


rule segment:
    """Segment a sequence as its script will: one job, which goes on where one was stopped."""
    input:
        ready=submitted_data,
        recipe=recipe_file,
        model=submitted_model_files,
    output:
        directory("<results>/submitted/{dataset}/{sequence}_RES{suffix}"),
    log:
        "<logs>/segment/{dataset}/{sequence}{suffix}.log",
    benchmark:
        "<benchmarks>/segment/{dataset}/{sequence}{suffix}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: lookup(dpath="threads", within=config)
    resources:
        mem_mb=memory(150, 3000),
        runtime=1440,
        gpu=lookup(dpath="gpus", within=config),
    params:
        folder=submitted_dir,
        method=lookup(dpath="submission/method", within=config),
        model=submitted_model,
        device=lookup(dpath="device", within=config),
        begun=lambda wildcards, output: f"{output}.part",
    shell:
        "(python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "
        "--output {params.begun:q} --recipe {input.recipe:q} --method {params.method} "
        "--model {params.model:q} --device {params.device}; "
        "mv {params.begun:q} {output:q}) > {log:q} 2>&1"


rule submission:
    """Check all masks and put them beside the software, its scripts and a manifest."""
    input:
        masks=[submitted_masks(one) for one in SUBMITTED],
        models=sorted(
            {file for one in SUBMITTED for file in submitted_model_files(one)}
        ),
        recipes=sorted({recipe_file(one) for one in SUBMITTED}),
        scores=submitted_scores(),
    output:
        plan="<results>/submission.json",
        folder=directory("<results>/submission"),
    log:
        "<logs>/submission.log",
    benchmark:
        "<benchmarks>/submission.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        plan=submission_plan,
    shell:
        "(printf '%s' {params.plan:q} > {output.plan:q}; "
        "python -m efficientcellseg package {output.plan:q} --output {output.folder:q}) "
        "> {log:q} 2>&1"
