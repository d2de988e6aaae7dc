"""Lets this container's model process answer again: `python -m` this module.

For a deploy whose new model process took over and then failed. The old one does not
notice that by itself. It needs no Django, so it costs little.
"""

import os
import sys
from pathlib import Path

from lsml.embedded.addresses import model_url
from lsml.model_process.address import listens, own_socket, socket_of, take_over


def take_back() -> bool:
    """Return whether the path in MODEL_URL leads to a process that listens here."""
    url = os.environ.get("MODEL_URL") or model_url(Path(os.environ["LSML_DATA_DIR"]))
    shared = socket_of(url)
    if shared is None:  # an HTTP address leads where it always did
        return True
    if not listens(own_socket(shared)):
        sys.stderr.write(f"No model process of this container listens for {shared}.\n")
        return False
    take_over(shared)
    return True


if __name__ == "__main__":
    sys.exit(not take_back())
