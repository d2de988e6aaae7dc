"""Faults of disks: full, or read-only. Each folder gets a small file system of its own.

The file systems are in memory and belong to a mount namespace of this run, so none is
left behind. Needs root and the right to mount.
"""

import os
import shutil
import subprocess
import sys
import time

_SIZE = "2g"
_SPARE_KB = 64
_DOWN_S = (1, 3, 6, 12)


class Disks:
    """The file systems, by the name of what is on them."""

    def __init__(self, folders):
        self._folders = folders

    @property
    def names(self):
        return sorted(self._folders)

    def mount(self):
        """Move each folder to a file system of its own; the service must not run."""
        for folder in self._folders.values():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            before = folder.with_name(f"{folder.name}.before")
            folder.rename(before)
            folder.mkdir()
            _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "chaos", folder)
            subprocess.run(["cp", "-a", f"{before}/.", folder], check=True)
            shutil.rmtree(before)

    def keep(self):
        """Copy everything back from memory, so that it outlives this process."""
        for folder in self._folders.values():
            kept = folder.with_name(f"{folder.name}.kept")
            shutil.rmtree(kept, ignore_errors=True)
            subprocess.run(["cp", "-a", folder, kept], check=True)

    def unmount(self):
        for folder in self._folders.values():
            subprocess.run(["umount", "--lazy", str(folder)], check=False)

    def fill(self, name):
        """Leave no space: the file system shrinks to what is on it."""
        folder = self._folders[name]
        for _ in range(20):  # it grows while we look
            found = os.statvfs(folder)
            used_kb = (found.f_blocks - found.f_bfree) * found.f_frsize // 1024
            if self._remount(name, f"size={used_kb + _SPARE_KB}k"):
                return
        raise RuntimeError(f"{folder} does not shrink")

    def free(self, name):
        self._remount(name, f"size={_SIZE}")

    def protect(self, name):
        """Make it read-only, once no file is open for writing."""
        for _ in range(500):
            if self._remount(name, "ro"):
                return
            time.sleep(0.01)

    def release(self, name):
        self._remount(name, "rw")

    def _remount(self, name, option):
        target = self._folders[name]
        done = _mount("-o", f"remount,{option}", target, check=False)
        return done.returncode == 0


class DiskFaults:
    """Faults of the file systems."""

    def __init__(self, disks, database, *, rng, background):
        self.disks = disks
        self.database = database
        self.rng = rng
        self.background = background

    def weighted(self):
        return [(self.fill_disk, 6), (self.protect_disk, 2)]

    def fill_disk(self):
        name = self.rng.choice(self.disks.names)
        return self._fail(name, self.disks.fill, self.disks.free, "full")

    def protect_disk(self):
        name = self.rng.choice(["artifact cache", "artifacts"])
        return self._fail(name, self.disks.protect, self.disks.release, "read-only")

    def _fail(self, name, begin, end, word):
        pause_s = self.rng.choice(_DOWN_S)
        is_database = name == self.database.name

        def fail():
            begin(name)
            time.sleep(pause_s)
            end(name)
            if is_database:  # it may have stopped
                self.database.start()

        if not self.background.run(name if is_database else f"disk {name}", fail):
            return None
        return f"disk of {name} {word} for {pause_s} s"


def enter_namespace():
    """Run this program again in a mount namespace of its own.

    Returns:
        Whether it runs there: False without root or the right to mount.
    """
    if os.environ.get("CHAOS_NAMESPACE"):
        return True
    if os.geteuid() or not shutil.which("unshare"):
        return False
    inside = ["unshare", "--mount"]
    mount = [*inside, "mount", "-t", "tmpfs", "chaos", "/mnt"]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        return False
    again = [*inside, sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
    return os.execvpe("unshare", again, os.environ | {"CHAOS_NAMESPACE": "1"})


def _mount(*arguments, check=True):
    command = ["mount", *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=not check)
