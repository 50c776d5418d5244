# The submission: masks of the test sequences, and the software.

from efficientcellseg.parameters.submission import plan_text

ON_TEST = RUN.submission.part == "test"
SUBMITTED_METHOD = RUN.submission.method
SUBMITTED_DATA = str(Path(RUN.pathvars.data, "test" if ON_TEST else ""))
SUBMITTED = RUN.submitted(RECIPES)
# The folder of networks of a data set and training configuration.
SUBMITTED_MODELS = {
    (one.dataset, one.suffix): one.model
    or networks_dir(one.dataset, SUBMITTED_METHOD, one.sequence)
    for one in SUBMITTED
}
# What is packed, as `efficientcellseg package` wants it.
PACKED = [
    {
        "dataset": f"{SUBMITTED_DATA}/{one.dataset}",
        "sequence": one.sequence,
        "training": one.training,
        "masks": f"{RUN.pathvars.results}/submitted/{one.dataset}/{one.sequence}_RES{one.suffix}",
        "recipe": RECIPE_FILES[one.dataset],
        "model": SUBMITTED_MODELS[one.dataset, one.suffix],
        "method": SUBMITTED_METHOD,
        "csb": one.dataset in RUN.submission.csb,
        "tracks": one.dataset in RUN.submission.tracks,
    }
    for one in SUBMITTED
]
# The scores that the manifest tells: those of the same method and data sets.
SUBMITTED_SCORES = [
    file
    for file in SCORES
    if RUN.submission.scores
    and any(f"/scores/{SUBMITTED_METHOD}/{one.dataset}/" in file for one in SUBMITTED)
]


wildcard_constraints:
    suffix=r"(-[A-Za-z+]+)?",


rule download_test:
    """Download and check a data set's test sequences, unless they exist already."""
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
        folder=RUN.pathvars.data,
    shell:
        "python -m efficientcellseg download {input.recipe:q} {params.folder:q} --kind test "
        "> {log:q} 2>&1"


rule segment:
    """Segment a sequence as its script will: one job, which continues where one was stopped."""
    input:
        ready=f"<results>/ready/{'test/' if ON_TEST else ''}{{dataset}}.done",
        recipe=recipe_file,
        model=lambda wildcards: network_files(
            SUBMITTED_MODELS[wildcards.dataset, wildcards.suffix],
            wildcards.dataset,
            SUBMITTED_METHOD,
        ),
    output:
        directory("<results>/submitted/{dataset}/{sequence}_RES{suffix}"),
    log:
        "<logs>/segment/{dataset}/{sequence}{suffix}.log",
    benchmark:
        "<benchmarks>/segment/{dataset}/{sequence}{suffix}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=memory(0, 2500),
        runtime=1440,
        gpu=RUN.gpus,
    params:
        folder=f"{SUBMITTED_DATA}/{{dataset}}",
        method=SUBMITTED_METHOD,
        model=lambda wildcards: SUBMITTED_MODELS[wildcards.dataset, wildcards.suffix],
        device=RUN.device,
        backend=BACKEND,
        track=lambda wildcards: "--track" * (wildcards.dataset in RUN.submission.tracks),
        begun=lambda wildcards, output: f"{output}.part",
    shell:
        "(python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "
        "--output {params.begun:q} --recipe {input.recipe:q} --method {params.method} "
        "--model {params.model:q} --device {params.device} {params.backend} {params.track}; "
        "mv {params.begun:q} {output:q}) > {log:q} 2>&1"


rule submission:
    """Check all masks and pack them with the software, its scripts and a manifest."""
    input:
        masks=[one["masks"] for one in PACKED],
        models=lambda wildcards: sorted(
            {
                file
                for (dataset, _), folder in SUBMITTED_MODELS.items()
                for file in network_files(folder, dataset, SUBMITTED_METHOD)
            }
        ),
        recipes=sorted({one["recipe"] for one in PACKED}),
        scores=SUBMITTED_SCORES,
    output:
        plan="<results>/submission.json",
        manifest="<results>/submission/SW/manifest.json",
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
        plan=lambda wildcards, input: told(plan_text, PACKED, input.scores),
        # No output itself: Snakemake would leave a file of its own in it.
        folder=subpath(output.manifest, ancestor=2),
    shell:
        "(printf '%s' {params.plan:q} > {output.plan:q}; rm -rf {params.folder:q}; "
        "python -m efficientcellseg package {output.plan:q} --output {params.folder:q}) "
        "> {log:q} 2>&1"
