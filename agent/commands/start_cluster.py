"""The entry of `make cluster`: Ctrl-C ends it without a traceback, also while modules are imported."""

import sys

from agent.interrupts import interruptible

if __name__ == "__main__":
    with interruptible():
        from agent.commands.cluster import main
    sys.exit(main())
