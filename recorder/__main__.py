"""`python -m recorder`, see recorder/command.py."""

import gc
import sys

gc.disable()  # whatever is imported stays: to look through it for garbage again and again is a fifth of a start
from recorder.command import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    sys.exit(main())
