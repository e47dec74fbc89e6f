"""`python -m recorder`, see recorder/command.py."""

import gc
import sys

gc.disable()  # whatever is imported stays: to look through it for garbage again and again is a fifth of a start
from recorder.command import main  # noqa: E402

gc.freeze()
gc.enable()
# A batch's rows are thousands of tuples that go as they came. By the usual threshold, 700, they are looked through for
# garbage many times before that: a tenth of an event's time.
gc.set_threshold(20_000)

if __name__ == "__main__":
    sys.exit(main())
