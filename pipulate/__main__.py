"""`python -m pipulate` is the command `pipulate`."""

import sys

from pipulate.cli import main

if __name__ == "__main__":
    sys.exit(main())
