# The benchmark: data sets through methods to masks, scores, pictures and one table.
#
#   snakemake --workflow-profile workflow/profiles/default                 config/config.yaml
#   snakemake --workflow-profile workflow/profiles/default \
#       --configfile config/demo.yaml                                      the demo
#   snakemake segmentation | scores | figures                              a part of it
#   snakemake tables                                   the paper's tables, methods compared
#   snakemake ablation                                                     the paper's ablations
#   snakemake submission                           test sequences, and the software to send in
#
# Start it in the project's folder. Without --sdm conda, the jobs run in the environment that
# Snakemake itself runs in (`make install` makes one in .venv).

from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

from ctc_eval.format import InputError
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.run import RunConfiguration

min_version("9.27")


configfile: "config/config.yaml"


try:
    check_values(config, RunConfiguration, "configuration")
except InputError as error:
    raise WorkflowError(str(error)) from None
validate(config, "config/schemas/run.schema.json")  # fills in the defaults


pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


# Jobs call `python -m efficientcellseg` and `python -m ctc_eval` from this folder's source.
shell.prefix(f"set -euo pipefail; export PYTHONPATH={quote(workflow.basedir)}; ")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/segmentation.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/submission.smk"


# On a cluster: what takes no computing, and what needs the network.
localrules:
    all,
    segmentation,
    scores,
    figures,
    download,
    download_test,
    gather,
    table,
    take_over,


rule all:
    """Masks, scores, the table, pictures and the record of the run."""
    default_target: True
    input:
        rules.segmentation.input,
        rules.table.output,
        rules.figures.input,
        rules.provenance.output,
