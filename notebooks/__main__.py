"""`python -m notebooks`, see notebooks/command.py."""

import sys

from notebooks.command import main

if __name__ == "__main__":
    sys.exit(main())
