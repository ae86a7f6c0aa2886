"""A port for a server that is started by its number, as one must be that comes back where it was."""

import random
import socket


def unused_port() -> int:
    """Return a port of the loopback where nothing listens.

    It lies below those that systems give to whoever connects (Linux from 32768, IANA from 49152), so that until the
    server is there nobody gets it by chance; not even who tries to connect to it, and would then talk to itself.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
