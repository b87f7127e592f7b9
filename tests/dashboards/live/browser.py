"""A headless Chromium driven over its own protocol: what a page shows, says on the console and asks the network for."""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
    "--remote-debugging-port=0", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-sync", "--disable-extensions", "--metrics-recording-only",
    "--force-color-profile=srgb",
)  # fmt: skip


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.failures: list[str] = []
        self.console: list[str] = []
        self._task = asyncio.create_task(self._listen(), name="cdp")

    async def _listen(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                future = self._answers.pop(event["id"])
                if not future.done():
                    future.set_result(event)
                continue
            self._note(event["method"], event["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])
            case "Network.responseReceived" if params["response"]["status"] >= 400:
                self.failures.append(f"{params['response']['status']} {params['response']['url']}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.console.append(
                    " ".join(str(each.get("value", each.get("description"))) for each in params["args"])
                )
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.console.append(details.get("exception", {}).get("description", details["text"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.console.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Page.loadEventFired":
                self._loaded.set()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(future, 90)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def open(self, url: str) -> None:
        """Go there and wait for the load event."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), 60)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", expression))
        return answer["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 60.0) -> Any:
        """Wait until the expression is true, looking at every frame; returns its value."""
        code = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                let value = null;
                try {{ value = ({expression}); }} catch {{ value = null; }}
                if (value) resolve(value);
                else if (performance.now() > end) reject(new Error("never true: " + {json.dumps(expression)}));
                else setTimeout(look, 50);
            }};
            look();
        }})"""
        return await self.evaluate(code)

    async def size(self, width: int, height: int, *, phone: bool = False, scale: float = 1.0) -> None:
        """Set the window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    async def dark(self, *, on: bool) -> None:
        """Ask for dark colours, as the system would."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def key(self, key: str, code: str = "", text: str = "") -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, "/": 191, "ArrowRight": 39}
        common: dict[str, Any] = {"key": key, "code": code or key, "windowsVirtualKeyCode": codes.get(key, 0)}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        """Insert text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def screenshot(self, path: Path) -> None:
        """Save what is visible."""
        answer = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


class Chromium:
    """A browser process; every tab has a context of its own, so nothing of one test stays for the next."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(prefix="vanpulse-chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"DevTools listening on ws://" in line:
                self._address = line.split(b" on ")[1].decode().strip()
                break
        else:
            raise RuntimeError("chromium ended at once")
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._drain.start()

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A tab."""
        async with aiohttp.ClientSession() as session:
            browser = Page(await session.ws_connect(self._address))
            context = (await browser.call("Target.createBrowserContext"))["browserContextId"]
            target = await browser.call("Target.createTarget", url="about:blank", browserContextId=context)
            host = self._address.split("/devtools/")[0]
            page = Page(await session.ws_connect(f"{host}/devtools/page/{target['targetId']}", max_msg_size=0))
            for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                await page.close()
                await browser.call("Target.disposeBrowserContext", browserContextId=context)
                await browser.close()

    def stop(self) -> None:
        """End the process and remove its profile."""
        self._process.terminate()
        self._process.wait(20)
        self._drain.join(20)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._profile.cleanup()


@asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    """A browser with one tab."""
    browser = await asyncio.to_thread(Chromium)
    try:
        async with browser.page() as page:
            yield page
    finally:
        await asyncio.to_thread(browser.stop)
