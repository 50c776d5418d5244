# The benchmark: data sets through methods to masks, scores, pictures and one table.
#
#   snakemake --cores 8                                         config/config.yaml
#   snakemake --cores 8 --use-conda                             each job in its own environment
#   snakemake --cores 8 --configfile config/demo.yaml           the demo
#   snakemake --cores 8 segmentation | scores | figures         a part of it
#   snakemake --cores 8 tables                                  the paper's tables, methods compared
#   snakemake --cores 8 ablation                                the paper's ablations
#   snakemake --cores 8 submission                              test sequences, and the submission
#
# Start it in the project's folder. Without --use-conda, jobs run in the environment that Snakemake
# itself runs in (`make install` makes one in .venv). profiles/default is read automatically.

import sys
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

from ctc_eval.format import InputError
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.run import RunConfiguration

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


try:
    RUN = check_values(config, RunConfiguration, "configuration")
except InputError as error:
    raise WorkflowError(str(error)) from None
validate(config, str(Path(workflow.basedir, "config", "schemas", "run.schema.json")))


pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


include: "workflow/rules/common.smk"
include: "workflow/rules/environment.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/segmentation.smk"
include: "workflow/rules/tracking.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/submission.smk"
include: "workflow/rules/rehearsal.smk"


# On a cluster: what takes no computing, and what needs the network.
localrules:
    all,
    segmentation,
    tracks,
    scores,
    figures,
    recipe,
    download,
    download_test,
    gather,
    table,
    import_onnx,
    rehearsal,


rule all:
    """Masks, scores, the table, pictures, the record of the run and the page about it."""
    default_target: True
    input:
        rules.segmentation.input,
        rules.table.output,
        rules.figures.input.pictures,
        rules.provenance.output,
        rules.page.output,
