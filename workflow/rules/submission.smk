# From networks to what the challenge is sent: masks of the test sequences, and the software.

import json

ON_TEST = RUN.submission.part == "test"


def submitted():
    """List what is submitted: data set, sequence, training configuration, suffix and model."""
    entries = []
    for one in RUN.submission.configurations:
        if unknown := sorted(set(one.datasets or ()) - DATASETS.keys()):
            raise WorkflowError(
                f"submission.configurations: {', '.join(unknown)}: not one of the datasets"
            )
        for name in one.datasets or DATASETS:
            recipe = RECIPES[name]
            if ON_TEST and recipe.source.kind != "zip":
                continue  # the challenge's own data sets alone have test sequences
            entries += [
                SimpleNamespace(
                    dataset=name,
                    sequence=sequence,
                    training=one.training,
                    suffix="" if one.training == "regular" else f"-{one.training}",
                    model=one.model or model_dir(SimpleNamespace(dataset=name)),
                )
                for sequence in (recipe.sequences if ON_TEST else DATASETS[name].sequences)
            ]
    return entries


SUBMITTED = submitted()


wildcard_constraints:
    suffix=r"(-[A-Za-z+]+)?",


def submitted_dir(wildcards):
    """Give the folder of the frames to be submitted."""
    return str(Path(RUN.pathvars.data, "test" if ON_TEST else "", wildcards.dataset))


def submitted_model(wildcards):
    """Give the networks of a data set in a training configuration."""
    key = (wildcards.dataset, wildcards.suffix)
    return next(one.model for one in SUBMITTED if (one.dataset, one.suffix) == key)


def submitted_model_files(wildcards):
    """List the files of these networks; none for a method without."""
    recipe = METHODS[RUN.submission.method].adapt(RECIPES[wildcards.dataset])
    return network_files(submitted_model(wildcards), recipe)


def submitted_masks(one):
    """Give the folder of masks to be submitted."""
    return f"{RUN.pathvars.results}/submitted/{one.dataset}/{one.sequence}_RES{one.suffix}"


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
        folder=RUN.pathvars.data,
    shell:
        "python -m efficientcellseg download {input.recipe:q} {params.folder:q} --kind test "
        "> {log:q} 2>&1"


rule segment:
    """Segment a sequence as its script will: one job, which goes on where one was stopped."""
    input:
        ready=f"<results>/ready/{'test/' if ON_TEST else ''}{{dataset}}.done",
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
    threads: RUN.threads
    resources:
        mem_mb=memory(150, 3000),
        runtime=1440,
        gpu=RUN.gpus,
    params:
        folder=submitted_dir,
        method=RUN.submission.method,
        model=submitted_model,
        device=RUN.device,
        begun=lambda wildcards, output: f"{output}.part",
    shell:
        "(python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "
        "--output {params.begun:q} --recipe {input.recipe:q} --method {params.method} "
        "--model {params.model:q} --device {params.device}; "
        "mv {params.begun:q} {output:q}) > {log:q} 2>&1"


def submitted_scores():
    """List the scores that the manifest tells: those of the same method and data sets."""
    folders = {f"<results>/scores/{RUN.submission.method}/{one.dataset}" for one in SUBMITTED}
    if not RUN.submission.scores:
        return []
    return [file for file in score_files() if str(Path(file).parent) in folders]


def submission_plan(wildcards, input):
    """Say what to pack, as `efficientcellseg package` wants it."""
    if not SUBMITTED:
        raise WorkflowError(
            "submission: no data set has test sequences; expected one of the challenge's, or "
            "part: training"
        )
    sequences = [
        {
            "dataset": submitted_dir(one),
            "sequence": one.sequence,
            "training": one.training,
            "masks": submitted_masks(one),
            "recipe": recipe_file(one),
            "model": str(one.model),
            "method": RUN.submission.method,
            "csb": one.dataset in RUN.submission.csb,
        }
        for one in SUBMITTED
    ]
    return json.dumps({"sequences": sequences, "scores": list(input.scores)}, indent=1)


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
