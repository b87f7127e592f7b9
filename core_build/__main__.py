"""`python -m core_build`: compile the core in place."""

import os
import sys

from core_build.build import ROOT, main

os.chdir(ROOT)
sys.exit(main())
