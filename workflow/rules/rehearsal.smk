# The benchmark rehearsed on stand-ins of the challenge's zips; not a part of `all`.


rule rehearsal:
    """Rehearse in a fresh copy of the project, from zips to the submission, and report the cost."""
    output:
        multiext("<results>/rehearsal/report", ".md", ".csv"),
    log:
        "<logs>/rehearsal.log",
    benchmark:
        "<benchmarks>/rehearsal.tsv"
    # Of no use: Snakemake is started again, by its own interpreter.
    conda:
        "../../envs/imaging.yaml"
    threads: workflow.cores
    params:
        python=sys.executable,
        folder=subpath(output[0], parent=True),
    shell:
        "{params.python:q} -m bench.rehearsal --cores {threads} --output {params.folder:q} "
        "> {log:q} 2>&1"
