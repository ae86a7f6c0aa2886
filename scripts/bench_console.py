"""Measure the console: what it costs the server, how soon an episode is on the screen, how heavy the first load is.

A server with made-up calls (`scripts/console_centre.py`) runs in a process of its own, the consoles in another: real
HTTP connections that read the stream as a browser does. The CPU that the page costs is the server's with the consoles
less the same server's without them, before and after.

With a Chromium on this machine (Debian: chromium) the live view is opened in it as well, again and again as by somebody
who was never here: nothing in the cache, no connection open. Told are, in ms since the address was entered,

* the page's load event: document, styles, scripts and icons are there and were run;
* rows on the screen: the first frame with rows of calls has been drawn;
* all rows: the last call has its row, to scroll, to filter and to search in.

While one of them stays open, long tasks and frames are counted.

    python scripts/bench_console.py --calls 300 --consoles 20 --seconds 60
"""

import argparse
import asyncio
import gzip
import html
import json
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CPU_LIMIT = 0.15
ARRIVAL_LIMIT_S = 1.0
LOAD_LIMIT_BYTES = 200_000
LOAD_LIMIT_S = 0.5

_CENTRE = Path(__file__).with_name("console_centre.py")


@dataclass
class Server:
    """The made-up centre in its own process."""

    process: subprocess.Popen[str]
    port: int
    opened: dict[str, list[float]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def read_on(self) -> None:
        """Keep what the server says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            with self.news:
                if "episode" in told:
                    self.opened.setdefault(told["episode"], []).append(told["at"])
                else:
                    self.answers.append(told)
                self.news.notify_all()

    def wait_for(self, key: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Return the next answer that has a key."""
        with self.news:
            assert self.news.wait_for(lambda: any(key in one for one in self.answers), timeout_s), f"no {key}"
            answer = next(one for one in self.answers if key in one)
            self.answers.remove(answer)
            return answer

    def ask(self, do: str) -> dict[str, Any]:
        """Send a command and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do}) + "\n")
        self.process.stdin.flush()
        return self.wait_for("cpu_s")


def start_server(calls: int, *, episodes_per_min: float) -> Server:
    """Start a centre on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--calls", str(calls), "--episodes-per-min", str(episodes_per_min)]
    process = subprocess.Popen(
        [sys.executable, str(_CENTRE), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    server = Server(process, port)
    threading.Thread(target=server.read_on, daemon=True).start()
    server.wait_for("ready")
    return server


def cpu_share(server: Server, seconds: float) -> tuple[float, dict[str, Any]]:
    """Return the share of a core that the server uses, and what it said at the end."""
    before, begun = server.ask("cpu"), time.monotonic()
    time.sleep(seconds)
    after = server.ask("cpu")
    return (after["cpu_s"] - before["cpu_s"]) / (time.monotonic() - begun), after


# Consoles: in a process of their own


@dataclass
class Heard:
    """What one console heard."""

    episodes: list[tuple[str, float]] = field(default_factory=list)
    alerts: list[tuple[str, float]] = field(default_factory=list)
    bytes_read: int = 0
    messages: int = 0
    resyncs: int = 0


async def listen(port: int, heard: Heard) -> None:
    """Read the stream of the live view, as a browser does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    writer.write(
        f"GET /console/stream?live=1&alerts=brief HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Accept: text/event-stream\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    waiting, open_before, known = b"", set(), set()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        waiting += (await reader.readexactly(size + 2))[:-2]
        at = time.time()
        heard.bytes_read += size
        *messages, waiting = waiting.split(b"\n\n")
        for message in messages:
            fields = dict(line.split(": ", 1) for line in message.decode().splitlines())
            if "event" not in fields:
                continue
            heard.messages += 1
            told = json.loads(fields["data"])
            if fields["event"] == "calls":
                heard.resyncs += told["all"]
                for row in told["calls"]:
                    key = row["episode"] and row["episode"]["alert_id"]
                    if key and key not in open_before:
                        open_before.add(key)
                        if not told["all"]:
                            heard.episodes.append((row["call_id"], at))
            elif fields["event"] == "alerts":
                for alert in told["alerts"]:
                    if alert["event_id"] not in known:
                        known.add(alert["event_id"])
                        if not told["all"]:
                            heard.alerts.append((alert["call_id"], at))


def run_consoles(port: int, count: int, pipe: Connection) -> None:
    """Listen with many consoles until the other side says so."""

    async def run() -> None:
        heard = [Heard() for _ in range(count)]
        tasks = [asyncio.create_task(listen(port, one)) for one in heard]
        pipe.send("open")
        await asyncio.to_thread(pipe.recv)
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        pipe.send((heard, len(failed)))

    asyncio.run(run())


def delays(opened: dict[str, list[float]], arrivals: list[tuple[str, float]]) -> list[float]:
    """Return for each arrival the time since the pipeline told of the episode."""
    found = []
    for call_id, at in arrivals:
        told = [begun for begun in opened.get(call_id, []) if begun <= at + 0.001]
        if told:
            found.append(at - max(told))
    return found


def quantiles(seconds: list[float]) -> str:
    """Return p50, p95 and max in words."""
    if len(seconds) < 20:
        return f"too few: {len(seconds)}"
    cuts = statistics.quantiles(seconds, n=100)
    p50_ms, p95_ms, max_ms = (round(1000 * one) for one in (cuts[49], cuts[94], max(seconds)))
    return f"p50 {p50_ms} ms, p95 {p95_ms} ms, max {max_ms} ms (n={len(seconds)})"


# The first load


def load_page(port: int) -> tuple[int, float, int, int]:
    """Fetch the live view with all that it needs, one file after the other; then the stream until it tells of calls.

    Returns
    -------
    bytes, seconds, files : int, float, int
        Of the page with its files, packed as browsers ask for them, with their headers.
    streamed : int
        Bytes of the stream until the calls are known.
    """

    def fetch(path: str) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"accept-encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
            body: bytes = answer.read()
            sizes.append(len(body) + len(bytes(answer.headers)))
            return gzip.decompress(body) if answer.headers["content-encoding"] == "gzip" else body

    sizes: list[int] = []
    begun = time.monotonic()
    page = fetch("/console").decode()
    for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page))):
        fetch(path)
    load_s = time.monotonic() - begun
    wanted = html.unescape(re.findall(r'<meta name="voicepipe-stream" content="([^"]+)">', page)[0])
    streamed = 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/console/stream?{wanted}") as stream:
        was_calls = False
        for line in stream:
            streamed += len(line)
            if was_calls and line.startswith(b"data: "):
                break
            was_calls = was_calls or line == b"event: calls\n"
    return sum(sizes), load_s, len(sizes), streamed


_WATCH = """() => {
  window.watched = { long: [], gaps: [] };
  new PerformanceObserver((list) => { for (const one of list.getEntries()) window.watched.long.push(one.duration); })
    .observe({ type: 'longtask' });
  let before = performance.now();
  const frame = (now) => { window.watched.gaps.push(now - before); before = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""

_ARRIVALS = """() => {
  const seen = { first: null, rows: 0, all: null };
  window.arrivals = seen;
  const calls = %d;
  new MutationObserver((_, observer) => {
    const rows = document.querySelectorAll('#live-rows tr').length;
    if (rows && seen.first === null) {
      seen.first = Infinity;
      // A frame's callbacks run before it is drawn; what is put off by them runs after that.
      requestAnimationFrame(() => setTimeout(() => {
        seen.first = performance.now();
        const inSight = (row) => row.getBoundingClientRect().top < innerHeight;
        seen.rows = [...document.querySelectorAll('#live-rows tr')].filter(inSight).length;
      }));
    }
    if (rows >= calls) { seen.all = performance.now(); observer.disconnect(); }
  }).observe(document, { childList: true, subtree: true });
}"""

_LOADED = """() => {
  const page = performance.getEntriesByType('navigation')[0];
  const files = [page, ...performance.getEntriesByType('resource')].filter((one) => !one.name.includes('/stream'));
  const { first, rows, all } = window.arrivals;
  const isThere = page.loadEventEnd > 0 && Number.isFinite(first ?? Infinity) && all !== null;
  return isThere && {
    answer: page.responseStart, load: page.loadEventEnd, first, rows, all,
    bytes: files.reduce((sum, one) => sum + one.transferSize, 0),
    files: files.length,
  };
}"""


_WORK = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
"""Of the DevTools protocol's Performance.getMetrics."""


_MOMENTS = {"first byte": "answer", "load event": "load", "rows on the screen": "first", "all rows": "all"}


def open_once(browser: Any, address: str, *, calls: int) -> dict[str, float]:
    """Open the live view with nothing in the cache; return what `_LOADED` tells once all rows are there."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(f"({_ARRIVALS % calls})()")
        page.goto(address)
        for _ in range(300):
            if loaded := page.evaluate(_LOADED):
                return dict(loaded)
            page.wait_for_timeout(50)
        raise SystemExit("The rows did not come within 15 s.")


def told(loads: list[dict[str, float]], key: str) -> str:
    """Return the least, the middle and the most of some moments."""
    moments = sorted(one[key] for one in loads)
    return f"{moments[0]:.0f} / {statistics.median(moments):.0f} / {moments[-1]:.0f} ms"


def look_in_browser(port: int, seconds: float, *, loads_wanted: int, calls: int) -> None:
    """Open the live view in a Chromium; print when its rows are there and how smoothly it goes on."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.browser import find_browser, launched

    path = find_browser()
    if path is None:
        print("browser: none found")
        return
    with launched(path) as browser:
        address = f"http://127.0.0.1:{port}/console"
        loads = [open_once(browser, address, calls=calls) for _ in range(loads_wanted)]
        shown = ", ".join(f"{what} {told(loads, key)}" for what, key in _MOMENTS.items())
        print(
            f"browser, {len(loads)} first loads of {loads[0]['files']} files, "
            f"{max(one['bytes'] for one in loads)} bytes; load of the machine {os.getloadavg()[0]:.1f}\n"
            f"browser, least / middle / most: {shown} (limit of the load event {1000 * LOAD_LIMIT_S:.0f} ms); at least "
            f"{min(one['rows'] for one in loads)} rows on the screen at first"
        )
        page = browser.new_page()
        page.goto(address)
        page.wait_for_timeout(2000)
        page.evaluate(_WATCH)
        meter = page.context.new_cdp_session(page)
        meter.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = _metered(meter.send("Performance.getMetrics"))
        page.wait_for_timeout(1000 * seconds)
        used = {name: at - before[name] for name, at in _metered(meter.send("Performance.getMetrics")).items()}
        watched = page.evaluate("() => window.watched")
        gaps = sorted(watched["gaps"])
        print(
            f"browser: {page.locator('#live-rows tr').count()} rows, {seconds:g} s: {len(watched['long'])} tasks over "
            f"50 ms (longest {max(watched['long'], default=0):.0f} ms), frames p50 {gaps[len(gaps) // 2]:.0f} ms, "
            f"p99 {gaps[int(0.99 * len(gaps))]:.0f} ms, max {gaps[-1]:.0f} ms"
        )
        shares = ", ".join(f"{name} {used[name] / seconds:.1%}" for name in _WORK)
        print(f"browser: CPU of the page's thread by kind of work, of one core: {shares}")


def _metered(answer: dict[str, Any]) -> dict[str, float]:
    return {one["name"]: one["value"] for one in answer["metrics"] if one["name"] in _WORK}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--consoles", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--episodes-per-min", type=float, default=30.0)
    parser.add_argument("--loads", type=int, default=10, help="how often the page is opened in the browser")
    parser.add_argument("--no-browser", action="store_true")
    arguments = parser.parse_args()
    server = start_server(arguments.calls, episodes_per_min=arguments.episodes_per_min)
    time.sleep(15.0)
    before, _ = cpu_share(server, arguments.seconds / 2)
    ours, theirs = multiprocessing.Pipe()
    consoles = multiprocessing.Process(target=run_consoles, args=(server.port, arguments.consoles, theirs))
    consoles.start()
    ours.recv()
    time.sleep(3.0)
    during, state = cpu_share(server, arguments.seconds)
    ours.send("stop")
    heard, failed = ours.recv()
    consoles.join()
    time.sleep(2.0)
    after, _ = cpu_share(server, arguments.seconds / 2)
    extra = during - (before + after) / 2
    episodes = [delay for one in heard for delay in delays(server.opened, one.episodes)]
    alerts = [delay for one in heard for delay in delays(server.opened, one.alerts)]
    per_s = sum(one.bytes_read for one in heard) / len(heard) / (arguments.seconds + 3)
    print(
        f"{state['calls']} calls, {state['consoles']} consoles open ({failed} lost), {arguments.seconds:g} s; "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(
        f"CPU of the server: {before:.1%} and {after:.1%} of a core without consoles, {during:.1%} with: "
        f"{extra:.1%} for the page (limit {CPU_LIMIT:.0%})"
    )
    print(f"each console got {per_s / 1000:.1f} kB/s, {sum(one.messages for one in heard) / len(heard):.0f} messages")
    print(f"episode to its row at the console: {quantiles(episodes)} (limit {ARRIVAL_LIMIT_S:g} s)")
    print(f"episode to its alert at the console: {quantiles(alerts)}")
    cpu_before = server.ask("cpu")["cpu_s"]
    sizes, load_s, files, streamed = min((load_page(server.port) for _ in range(10)), key=lambda loaded: loaded[1])
    cpu_ms = 100 * (server.ask("cpu")["cpu_s"] - cpu_before)
    print(
        f"first load: {sizes} bytes in {files} files, {streamed} more of the stream until the calls are known (limit "
        f"{LOAD_LIMIT_BYTES}); {1000 * load_s:.0f} ms one after the other, the best of 10; {cpu_ms:.0f} ms of the "
        "server's CPU each"
    )
    if not arguments.no_browser:
        # Calls come and go while the page loads: a few rows less are all.
        look_in_browser(server.port, 20.0, loads_wanted=arguments.loads, calls=int(0.97 * arguments.calls))
    assert server.process.stdin is not None
    server.process.stdin.close()
    server.process.wait(30)


if __name__ == "__main__":
    main()
