"""`python -m nbactl`."""

import sys

from nbactl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
