"""`python -m wan_render.storyboard > storyboards/storyboard.schema.json` regenerates the JSON Schema."""

import sys

from wan_render.storyboard.json_schema import schema_text

sys.stdout.write(schema_text())
