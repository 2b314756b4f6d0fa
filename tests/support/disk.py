"""A small ext4 of its own on a loop device, whose power can be cut: nothing that was not synced survives, as the kernel itself sees it.

    disk = Disk(folder)         made and mounted at disk.root; refuses() says why not, where this machine does not let us
    disk.cut()                  EXT4_IOC_SHUTDOWN: from here on every write fails, and what is in memory only is gone
    disk.again()                mounted again; who had files open there has closed them
    disk.close()

And Tmpfs(folder, "48m"), a small one in memory, for disks that are full: disk.grow("400m").
"""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

import pytest

SHUTDOWN = 0x8004587D       # _IOR('X', 125, __u32), linux/ext4.h
NO_LOG_FLUSH = 2            # as a power loss: the file system's own log is not written out before
SIZE = 96 << 20


def call(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stdout.strip()}")


def refuses():
    """Why there can be no such disk here; None: there can."""
    if os.geteuid() != 0:
        return "only root may mount a file system"
    missing = [name for name in ("mkfs.ext4", "mount", "umount") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = Disk(pathlib.Path(folder))
        except OSError as error:
            return str(error)
        try:
            disk.cut()
        except OSError as error:
            return f"the kernel refuses the shutdown of ext4: {error}"
        finally:
            disk.close()
    return None


class Disk:
    def __init__(self, folder):
        self.image, self.root = folder / "image", folder / "disk"
        self.mounted = False
        with open(self.image, "wb") as f:
            f.truncate(SIZE)
        call("mkfs.ext4", "-q", "-F", self.image)
        self.root.mkdir()
        self.mount()

    def mount(self):
        call("mount", "-o", "loop", self.image, self.root)
        self.mounted = True

    def cut(self):
        fd = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        for _ in range(100):
            try:
                call("umount", self.root)
                break
            except OSError:
                time.sleep(0.05)
        else:
            call("umount", self.root)
        self.mounted = False

    def again(self):
        self.unmount()
        self.mount()

    def close(self):
        if self.mounted:
            self.unmount()
        self.image.unlink()


class Tmpfs:
    """A small file system; skipped, aloud, where the kernel refuses to mount one."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "rewind-test", folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the kernel refuses to mount a tmpfs: {done.stderr.strip()}")

    def grow(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.folder], check=True)
