# What jobs run in: an environment of their own, or the one that Snakemake runs in.

from importlib.metadata import PackageNotFoundError, version

import yaml
from snakemake.settings.types import DeploymentMethod


def missing_packages():
    """List what envs/*.yaml name and this environment lacks."""
    missing = set()
    for file in Path(workflow.basedir, "envs").glob("*.yaml"):
        *_, packages = yaml.safe_load(file.read_text())["dependencies"]
        for name in (package.partition("==")[0] for package in packages["pip"]):
            try:
                version(name)
            except PackageNotFoundError:
                missing.add(name)
    return sorted(missing)


# Jobs call `python -m efficientcellseg` and `python -m ctc_eval` from this folder's source.
shell_prefix = f"set -euo pipefail; export PYTHONPATH={quote(workflow.basedir)}; "
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    shell_prefix += f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH; "
    if missing := missing_packages():
        raise WorkflowError(
            f"{sys.executable}: lacks {', '.join(missing)}; expected them there, or jobs with "
            "environments of their own: run `make install`, or give --use-conda"
        )
shell.prefix(shell_prefix)
