"""Inside Open WebUI's container: take the environment from the mounted file, then become the image's own start."""  # noqa: INP001  (a single file)

import json
import os
import sys
from pathlib import Path

os.environ.update(json.loads(Path(__file__).with_name("environment.json").read_text()))
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (becoming it is the point)
