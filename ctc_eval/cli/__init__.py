"""The judge's command line: ``ctc-eval {score,validate,table}``."""
