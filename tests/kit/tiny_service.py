"""A service of a few lines: `tiny_service.py SHARED OWN` does as `nbactl serve --fd SHARED --own-fd OWN --until-eof`.

`/env/NAME` answers with a variable, `/pid` with the process, `/slow` after a while. BROKEN ends it at once, BROKEN_IF
if that file exists, NEVER_READY keeps it from becoming ready, DEAF makes it ignore SIGTERM. It imports little, so that
it starts in milliseconds.
"""

import os
import select
import signal
import socket
import sys
import time

METRICS = """# TYPE nbactl_http_requests_total counter
nbactl_http_requests_total{{route="/work",status="2xx"}} {good}
nbactl_http_requests_total{{route="/work",status="5xx"}} {bad}
# TYPE nbactl_http_request_duration_seconds histogram
nbactl_http_request_duration_seconds_bucket{{route="/work",le="0.1"}} {good}
nbactl_http_request_duration_seconds_bucket{{route="/work",le="1.0"}} {all}
nbactl_http_request_duration_seconds_bucket{{route="/work",le="+Inf"}} {all}
nbactl_http_request_duration_seconds_count{{route="/work"}} {all}
"""
counts = {"good": 0, "bad": 0}


def stop(*_: object) -> None:
    sys.exit(0)


def answer(path: str) -> tuple[int, str]:
    if path == "/ready":
        return (503, '{"reasons": ["the feed is empty"]}') if "NEVER_READY" in os.environ else (200, "{}")
    if path.startswith("/env/"):
        return 200, os.environ.get(path.removeprefix("/env/"), "(none)")
    if path == "/metrics":
        return 200, METRICS.format(**counts, all=counts["good"] + counts["bad"])
    if path == "/slow":
        sys.stderr.write("slow\n")
        sys.stderr.flush()
        time.sleep(0.3)
    counts["bad" if path == "/fail" else "good"] += 1
    return (500 if path == "/fail" else 200), str(os.getpid())


def serve(listening: socket.socket) -> None:
    try:
        connection, _ = listening.accept()
    except BlockingIOError:  # another process took it
        return
    connection.settimeout(None)
    status, body = answer(connection.recv(65536).split()[1].decode())
    connection.sendall(f"HTTP/1.0 {status} x\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode())
    connection.close()


if "BROKEN" in os.environ or os.path.exists(os.environ.get("BROKEN_IF", "")):  # noqa: PTH110 - pathlib is slow
    sys.exit("the port is cursed")
signal.signal(signal.SIGTERM, signal.SIG_IGN if "DEAF" in os.environ else stop)
shared, own = (socket.socket(fileno=int(word)) for word in sys.argv[1:])
shared.settimeout(0)
waited = {own.fileno(): own}
is_told = False
while not is_told:
    for descriptor in select.select([0, *waited], [], [])[0]:
        if descriptor == 0:
            is_told = not os.read(0, 100)
            waited = {own.fileno(): own, shared.fileno(): shared}
        else:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # a request is always finished
            serve(waited[descriptor])
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
