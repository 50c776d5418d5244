# The paper's ablations: models trained with several seeds, Figure 5 and Table 2.

ABLATION_TRAININGS = {Path(file).stem: file for file in RUN.ablation.trainings}
# A model's changes of the training configuration, as options.
ABLATION_CHANGES = {name: ["--set", *changes] for name, changes in RUN.ablation.models.items()}


rule ablation_samples:
    """Make the samples of a training, colored as the model needs them."""
    input:
        lambda wildcards: ABLATION_TRAININGS[wildcards.training],
    output:
        temp("<results>/ablation/samples/{training}/{model}.npz"),
    log:
        "<logs>/ablation_samples/{training}/{model}.log",
    benchmark:
        "<benchmarks>/ablation_samples/{training}/{model}.tsv"
    wildcard_constraints:
        training=one_of(ABLATION_TRAININGS),
        model=one_of(RUN.ablation.models),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        data=RUN.pathvars.data,
        changes=lambda wildcards: ABLATION_CHANGES[wildcards.model],
    shell:
        "python -m efficientcellseg samples {input:q} --data {params.data:q} --output {output:q} "
        "{params.changes:q} > {log:q} 2>&1"


rule ablation_train:
    """Train a model with a seed; DIR with weights, model.yaml and curve.csv."""
    input:
        training=lambda wildcards: ABLATION_TRAININGS[wildcards.training],
        samples="<results>/ablation/samples/{training}/{model}.npz",
    output:
        directory("<results>/ablation/runs/{training}/{model}/{seed}"),
    log:
        "<logs>/ablation_train/{training}/{model}_{seed}.log",
    benchmark:
        "<benchmarks>/ablation_train/{training}/{model}_{seed}.tsv"
    wildcard_constraints:
        training=one_of(ABLATION_TRAININGS),
        model=one_of(RUN.ablation.models),
        seed=r"\d+",
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=4000,
        gpu=RUN.gpus,
    params:
        changes=lambda wildcards: ABLATION_CHANGES[wildcards.model],
        device=RUN.device,
    shell:
        "python -m efficientcellseg train {input.training:q} --samples {input.samples:q} "
        "--output {output:q} --device {params.device} --threads {threads} "
        "{params.changes:q} training.seed={wildcards.seed} > {log:q} 2>&1"


rule ablation:
    """Draw Figure 5 and write Table 2: MeanIoU by epoch, spread over seeds, sizes, times."""
    input:
        expand(
            "<results>/ablation/runs/{training}/{model}/{seed}",
            training=ABLATION_TRAININGS,
            model=RUN.ablation.models,
            seed=RUN.ablation.seeds,
        ),
    output:
        figure=report("<results>/figures/ablation.png", category="Ablation"),
        table=multiext("<results>/tables/ablation", ".csv", ".md"),
    log:
        "<logs>/ablation.log",
    benchmark:
        "<benchmarks>/ablation.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=4000,
    params:
        published="resources/published_models.csv",
    shell:
        "python -m efficientcellseg ablation {input:q} --published {params.published:q} "
        "--figure {output.figure:q} --table {output.table[0]:q} {output.table[1]:q} > {log:q} 2>&1"
