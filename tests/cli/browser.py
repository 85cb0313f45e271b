"""A headless Chromium, driven through ChromeDriver over plain HTTP (W3C WebDriver): no library."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1600",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> str:
    """Why there is no browser, or nothing."""
    for name in ("chromium", "chromedriver"):
        if shutil.which(name) is None:
            return f"needs {name} (on Debian: apt-get install chromium chromium-driver)"
    return ""


class Browser:
    """One page. `folder` takes the browser's profile."""

    def __init__(self, folder: Path) -> None:
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._driver.stdout is not None
        self._session = ""
        try:
            for line in self._driver.stdout:
                if found := re.search(r"successfully on port (\d+)", line):
                    break
            self._url = f"http://127.0.0.1:{found[1]}"
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            options = {
                "binary": shutil.which("chromium"),
                "args": [*FLAGS, *root, f"--user-data-dir={folder}"],
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, path: Path) -> None:
        """Load a file and wait until its script has run."""
        self._ask("POST", f"{self._session}/url", {"url": path.as_uri()})
        until = time.monotonic() + 30
        while self.run("return document.body.dataset.ready") != "yes":
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def run(self, script: str, *args: Any) -> Any:
        """Run a script in the page."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": args})

    def _find(self, css: str) -> str:
        query = {"using": "css selector", "value": css}
        return str(self._ask("POST", f"{self._session}/element", query)[_ELEMENT])

    def click(self, css: str) -> None:
        """Click on the first element that matches, as a person would."""
        self._ask("POST", f"{self._session}/element/{self._find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        """Put a text into a field."""
        found = self._find(css)
        self._ask("POST", f"{self._session}/element/{found}/clear", {})
        self._ask("POST", f"{self._session}/element/{found}/value", {"text": text})

    def text(self, css: str) -> str:
        """What can be read there."""
        return str(self._ask("GET", f"{self._session}/element/{self._find(css)}/text"))

    def log(self) -> list[str]:
        """What the page has written to the console: errors of scripts and of loading too."""
        found = self._ask("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in found]

    def screenshot(self, path: Path) -> None:
        """A picture of the window."""
        import base64

        path.write_bytes(base64.b64decode(self._ask("GET", f"{self._session}/screenshot")))

    def close(self) -> None:
        """End it all."""
        try:
            if self._session:
                self._ask("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            assert self._driver.stdout is not None
            self._driver.stdout.close()
