# The paper's tables and figure, measured: sizes of networks, methods side by side.


rule tables:
    """Table 1, sizes; Table 3, methods on data sets; Figure 1, SEG against parameters."""
    input:
        scores=SCORES,
        published=RUN.published,
    output:
        multiext("<results>/tables/table1", ".txt", ".csv", ".md", ".tex"),
        multiext("<results>/tables/table3", ".txt", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/figure1.png",
            caption="../report/figure1.rst",
            category="Scores",
        ),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        folder=subpath(output[0], parent=True),
    shell:
        "python -m efficientcellseg tables {input.scores:q} --published {input.published:q} "
        "--output {params.folder:q} > {log:q} 2>&1"
