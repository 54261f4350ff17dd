"""Headless Chromium over the DevTools protocol on a pipe: no driver, no web-socket library, no network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # CI runs as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
_TIMEOUT = 60.0
_FAULTS = """(() => {
  const out = [], wide = document.documentElement.clientWidth;
  const all = document.documentElement.scrollWidth;
  if (all > wide) out.push(`the page is ${all} px wide on a screen of ${wide} px`);
  for (const e of document.querySelectorAll('h1, h2, h3, p, li, caption, figcaption')) {
    const box = e.getBoundingClientRect();
    if (box.width && (box.right > wide + 1 || box.left < -1)) out.push(`cut: ${e.innerText.slice(0, 60)}`);
  }
  const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const v = c[k] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0.99) return c;
    }
    return [255, 255, 255];
  };
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.closest('script, video, .panel svg')) continue;
    const style = getComputedStyle(e), ink = numbers(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) out.push(`contrast ${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 60)}`);
  }
  return out;
})()"""


class Browser:
    """One browser process. `network`: whether names resolve; pages from disk need none."""

    def __init__(self, program: str, profile: Path, allowed_host: str | None = None) -> None:
        rules = "MAP * ~NOTFOUND" + (f" , EXCLUDE {allowed_host}" if allowed_host else "")
        from_us, self._to = os.pipe()
        self._from, to_us = os.pipe()
        arguments = [program, *_FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "about:blank"]
        quiet = os.open(os.devnull, os.O_RDWR)
        # Chromium reads commands from 3 and answers on 4. Copies far from both first, so that none is overwritten.
        actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, from_us, 103), (os.POSIX_SPAWN_DUP2, to_us, 104)]
        actions += [(os.POSIX_SPAWN_DUP2, 103, 3), (os.POSIX_SPAWN_DUP2, 104, 4)]
        self._pid = os.posix_spawn(
            shutil.which(program) or program, arguments, os.environ, file_actions=actions, setpgroup=0
        )
        for end in (from_us, to_us, quiet):
            os.close(end)
        self._buffer = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def page(self) -> Page:
        """A new, empty page with its errors and requests recorded."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        return Page(self, target, session)

    def call(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """One command and its result; events that arrive meanwhile go to `events`."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(_TIMEOUT)
            assert answer is not None, f"{method}: Chromium did not answer within {_TIMEOUT:g} s"
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def wait(self, seconds: float) -> None:
        """Let the page work; collect what it says."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            event = self._receive(left)
            if event is not None:
                self.events.append(event)

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        end = time.monotonic() + timeout
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(end - time.monotonic(), 0))
            if not ready:
                return None
            data = os.read(self._from, 1 << 20)
            assert data, "Chromium ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        os.close(self._to)
        os.close(self._from)
        os.killpg(self._pid, signal.SIGKILL)  # its own group, started above
        os.waitpid(self._pid, 0)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        """A live scene that stays open draws sixty times a second, beside all tests that follow."""
        self.browser.call("Target.closeTarget", {"targetId": self.target})

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.browser.call(method, parameters, self.session)

    def open(self, url: str, width: int = 1280, height: int = 900, settle: float = 0.5) -> None:
        """Loads a page and lets its scripts run."""
        self.size(width, height)
        self.call("Page.navigate", {"url": url})
        end = time.monotonic() + _TIMEOUT
        while not self._named("Page.loadEventFired") and time.monotonic() < end:
            self.browser.wait(0.1)
        assert self._named("Page.loadEventFired"), f"{url} did not load"
        self.browser.wait(settle)

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark"}
        self.call("Emulation.setEmulatedMedia", {"features": [feature]})

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def key(self, key: str, code: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", {"type": kind, "key": key, "windowsVirtualKeyCode": code})
        self.browser.wait(0.15)

    def screenshot(self, path: Path) -> Path:
        data = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def faults(self) -> list[str]:
        """What does not fit the screen as it is, and text whose contrast is below 4.5."""
        return self.run(_FAULTS)

    def errors(self) -> list[str]:
        """Uncaught exceptions, console errors and whatever the browser itself logs as one."""
        out = [event["params"]["exceptionDetails"]["text"] for event in self._named("Runtime.exceptionThrown")]
        calls = [event["params"] for event in self._named("Runtime.consoleAPICalled")]
        out += [str(call["args"]) for call in calls if call["type"] in ("error", "assert")]
        entries = [event["params"]["entry"] for event in self._named("Log.entryAdded")]
        return out + [entry["text"] for entry in entries if entry["level"] == "error"]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, its own and data URIs left out."""
        sent = [event["params"]["request"]["url"] for event in self._named("Network.requestWillBeSent")]
        return [url for url in sent[1:] if not url.startswith(("data:", "blob:"))]

    def _named(self, method: str) -> list[dict[str, Any]]:
        return [e for e in self.browser.events if e["method"] == method and e.get("sessionId") == self.session]
