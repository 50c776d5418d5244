# What people look at: one page about the run, and the paper's figures.

# The sequences in the order of the configuration, as folders of results.
SHOWN = [
    f"{folder}/{name}/{sequence}"
    for name, entry in DATASETS.items()
    for sequence in entry.sequences
    for folder in FOLDERS[name]
]
LARGEST = max(entry.voxels for entry in DATASETS.values()) / 1e6
# Cells fade, and slices have neighbors, in volumes.
VOLUMES = any(entry.frame[0] > 2 for entry in DATASETS.values())
PAPER_FIGURES = ["figure1", *["figure3", "figure4"] * VOLUMES, "figure6"]


rule page:
    """Write report.html: scores, slices with hits and misses, the worst objects, time, memory."""
    input:
        masks=rules.segmentation.input,
        tracks=rules.tracks.input,
        table=rules.table.output,
        record=rules.provenance.output,
        published=RUN.published,
    output:
        "<results>/report.html",
    log:
        "<logs>/page.log",
    benchmark:
        "<benchmarks>/page.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * round(2000 + 60 * LARGEST),
        runtime=lambda wildcards, attempt: attempt * (30 + ceil(len(SHOWN) * LARGEST / 3)),
        gpu=RUN.gpus,
    params:
        results=subpath(output[0], parent=True),
        data=RUN.pathvars.data,
        shown=SHOWN,
        models=MODELS_USED,
        device=RUN.device,
    shell:
        "python -m efficientcellseg report {params.results:q} --data {params.data:q} "
        "--only {params.shown:q} --model {params.models:q} --published {input.published:q} "
        "--device {params.device} --output {output:q} > {log:q} 2>&1"


rule paper_figures:
    """Draw the paper's Figures 1, 3, 4 and 6 from this run."""
    input:
        masks=rules.segmentation.input,
        scores=SCORES,
        published=RUN.published,
    output:
        report(
            expand("<results>/figures/{figure}.png", figure=PAPER_FIGURES),
            caption="../report/paper_figures.rst",
            category="Figures of the paper",
        ),
    log:
        "<logs>/paper_figures.log",
    benchmark:
        "<benchmarks>/paper_figures.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * round(1000 + 40 * LARGEST),
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        results=subpath(output[0], ancestor=2),
        folder=subpath(output[0], parent=True),
        data=RUN.pathvars.data,
        shown=SHOWN,
    shell:
        "python -m efficientcellseg figures {params.results:q} --data {params.data:q} "
        "--only {params.shown:q} --published {input.published:q} --output {params.folder:q} "
        "> {log:q} 2>&1"


rule figures:
    """One picture per data set, and the paper's Figures 1, 3, 4 and 6 (`ablation` draws 5)."""
    input:
        pictures=expand("<results>/figures/{dataset}.png", dataset=DATASETS),
        paper=rules.paper_figures.output,
