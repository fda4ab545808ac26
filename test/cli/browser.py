# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium that is driven by its own protocol, over a pair of pipes: no port, no driver, nothing but Python.

What the page says wrongly ends up in Browser.errors: exceptions, console errors and warnings, and requests of anything but the
file itself.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SECONDS = 20


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    def __init__(self, program, url, width=1200, height=1000):
        self.errors, self.number, self.answers, self.text = [], 0, {}, b""
        self.folder = tempfile.TemporaryDirectory(prefix="fallow-browser.")
        to_read, self.to = os.pipe()
        self.at, to_write = os.pipe()
        # The protocol's descriptors are 3 and 4.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_read, to_write), "sh", program, "--headless", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--user-data-dir=" + self.folder.name, "--remote-debugging-pipe", "--window-size=%d,%d" % (width, height),
             "about:blank"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.session, self.loaded, self.url = None, False, url
        target = self.call("Target.createTarget", url="about:blank", width=width, height=height)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log", "Network":
            self.call(domain + ".enable")
        self.open(url)

    def open(self, url):
        self.url, self.loaded = url, False
        self.call("Page.navigate", url=url)
        self.until(lambda: self.loaded)

    def until(self, done):
        end = time.monotonic() + SECONDS
        while not done():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.at], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self.at, 1 << 20)
            if not chunk:
                raise EOFError("the browser has ended")
            *messages, self.text = (self.text + chunk).split(b"\0")
            for message in messages:
                self.take(json.loads(message))

    def take(self, message):
        method, of = message.get("method"), message.get("params", {})
        if "id" in message:
            self.answers[message["id"]] = message
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = of["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and of["type"] in ("error", "warning", "assert"):
            self.errors.append(str(of["args"]))
        elif method == "Log.entryAdded" and of["entry"]["level"] in ("error", "warning"):
            self.errors.append(of["entry"]["text"])
        elif method == "Network.requestWillBeSent" and of["request"]["url"] != self.url:
            self.errors.append("asks for " + of["request"]["url"])

    def call(self, method, **params):
        self.number += 1
        number, message = self.number, {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        self.until(lambda: number in self.answers)
        answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(method + ": " + answer["error"]["message"])
        return answer["result"]

    def evaluate(self, expression):
        """What JavaScript makes of it, as JSON has it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(expression + ": " + str(result["exceptionDetails"]))
        return result["result"].get("value")

    def settle(self):
        """Until what has happened is drawn."""
        self.call("Runtime.evaluate", awaitPromise=True,
                  expression="new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text_of(self, selector):
        return self.evaluate("document.querySelector(%s).innerText" % json.dumps(selector))

    def place(self, selector, x=0.5, y=0.5):
        """A point of an element, by parts of its width and height, brought into view."""
        box = self.evaluate("""(() => {
            const one = document.querySelector(%s);
            one.scrollIntoView({ block: 'center' });
            const box = one.getBoundingClientRect();
            return [box.x, box.y, box.width, box.height];
        })()""" % json.dumps(selector))
        return box[0] + x * box[2], box[1] + y * box[3]

    def mouse(self, kind, place, **more):
        self.call("Input.dispatchMouseEvent", type="mouse" + kind, x=place[0], y=place[1], **more)

    def hover(self, selector, x=0.5, y=0.5):
        self.mouse("Moved", self.place(selector, x, y))
        self.settle()

    def click(self, selector, x=0.5, y=0.5, count=1):
        place = self.place(selector, x, y)
        self.mouse("Moved", place)
        for i in range(count):
            self.mouse("Pressed", place, button="left", buttons=1, clickCount=i + 1)
            self.mouse("Released", place, button="left", clickCount=i + 1)
        self.settle()

    def drag(self, selector, x_from, x_to, y=0.5):
        begin, end = self.place(selector, x_from, y), self.place(selector, x_to, y)
        self.mouse("Moved", begin)
        self.mouse("Pressed", begin, button="left", buttons=1, clickCount=1)
        for part in 0.25, 0.5, 0.75, 1:
            self.mouse("Moved", (begin[0] + part * (end[0] - begin[0]), begin[1]), button="left", buttons=1)
        self.mouse("Released", end, button="left", clickCount=1)
        self.settle()

    def screenshot(self, path):
        """All of the page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip=dict(x=0, y=0, width=size["width"], height=size["height"], scale=1))["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (OSError, EOFError, TimeoutError):
            pass
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.at)
        # Its helpers may still write there.
        for _ in range(50):
            try:
                self.folder.cleanup()
                return
            except OSError:
                time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
