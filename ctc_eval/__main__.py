"""``python -m ctc_eval`` is ``ctc-eval``."""

import sys

from ctc_eval.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
