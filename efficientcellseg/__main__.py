"""``python -m efficientcellseg`` is the command line, :mod:`efficientcellseg.cli.main`."""

import sys

from efficientcellseg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
