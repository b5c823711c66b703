"""`python -m wan_render.cli`."""

import sys

from wan_render.cli import main

sys.exit(main())
