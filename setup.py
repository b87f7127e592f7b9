"""All is in `pyproject.toml` but the compiled core, which a wheel has on request.

`VANPULSE_COMPILE=1 pip wheel --no-build-isolation --no-deps .` makes such a wheel, in an environment that has vanpulse
with its extra `compile`, and where a C compiler is.
"""

import os
import sys
from pathlib import Path

from setuptools import setup

if os.environ.get("VANPULSE_COMPILE") == "1":
    sys.path.insert(0, str(Path(__file__).parent))
    from core_build.build import BuildCore, extensions

    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildCore})
else:
    setup()
