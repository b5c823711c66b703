"""`python -m wan_render.storyboard > storyboards/storyboard.schema.json`: the schema, anew from the models."""

import sys

from wan_render.storyboard.json_schema import schema_text

sys.stdout.write(schema_text())
