"""What this process has open: files and sockets."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path


def is_open(path: Path) -> bool:
    """Tell whether this process has a file open."""
    wanted = path.stat()
    for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 - names of descriptors, no paths
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(descriptor)), wanted):
                return True
    return False


def is_connected(port: int) -> bool:
    """Tell whether this process has a socket that is bound to a port."""
    for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 - names of descriptors, no paths
        with suppress(OSError):
            copy = os.dup(int(descriptor))
            try:
                if stat.S_ISSOCK(os.fstat(copy).st_mode):
                    connection = socket.socket(fileno=copy)
                    found = connection.getsockname()[1:2]
                    connection.detach()
                    if found == (port,):
                        return True
            finally:
                os.close(copy)
    return False
