"""S3 for two hosts: a server that can be killed, frozen and slowed down."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.background import send
from tests.chaos.servers import is_open


class S3:
    """nanio, an S3 server from a wheel, with one bucket.

    Clients reach it through a forwarder on the bridge, which delays their requests.
    """

    name = "s3"
    keys = {"ACCESS_KEY": "chaos-key", "SECRET_KEY": "chaos-secret-key"}

    def __init__(self, folder: Path, *, port):
        self.delay_s = 0.0
        self.port = port
        self.environment = {
            "AWS_ACCESS_KEY_ID": self.keys["ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": self.keys["SECRET_KEY"],
        }
        self._data = folder / "s3"
        (self._data / "models").mkdir(parents=True)  # a bucket is a folder
        self._process = None

    def url(self, host, port):
        address = f"http://{host}:{port}"
        return f"s3://models/chaos?endpoint_url={address}&region_name=us-east-1"

    def start(self):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--data-dir", str(self._data)),
                *("--no-access-log", "--log-level", "warning"),
            ],
            env=os.environ | {f"NANIO_{key}": word for key, word in self.keys.items()},
        )
        while not is_open(self.port) and self._process.poll() is None:
            time.sleep(0.1)

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def freeze(self):
        send([self._process.pid], signal.SIGSTOP)

    def thaw(self):
        send([self._process.pid], signal.SIGCONT)
