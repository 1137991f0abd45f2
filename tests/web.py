#!/usr/bin/env python3
"""The GPU engine in a browser: builds examples/web, serves it, and has Chromium without a window open it, on
SwiftShader's WebGPU. Needs rustup or the target wasm32-unknown-unknown, and Chromium (CHROMIUM names it);
installs wasm-bindgen's tool in target/tools. With --serve it serves the page for your own browser instead.
"""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WEB = os.path.join(ROOT, "examples", "web")
PORT = 8123
PATIENCE = 300


def run(*command):
    print("web:", " ".join(command), flush=True)
    subprocess.run(command, check=True, cwd=ROOT)


def build():
    target = "wasm32-unknown-unknown"
    if shutil.which("rustup"):
        run("rustup", "target", "add", target)
    built = os.path.join(ROOT, "target", "web")
    run("cargo", "build", "--quiet", "--release", "--target", target, "--target-dir", built,
        "--manifest-path", os.path.join(WEB, "Cargo.toml"))
    version = re.search('wasm-bindgen = "=(.*)"', open(os.path.join(WEB, "Cargo.toml")).read())[1]
    tools = os.path.join(ROOT, "target", "tools")
    tool = os.path.join(tools, "bin", "wasm-bindgen")
    if not os.path.exists(tool):
        run("cargo", "install", "--quiet", "--debug", "--root", tools, "--version", version, "wasm-bindgen-cli")
    run(tool, "--target", "web", "--out-dir", os.path.join(WEB, "pkg"),
        os.path.join(built, target, "release", "batched_svd_web.wasm"))


class Handler(http.server.SimpleHTTPRequestHandler):
    report = None
    told = threading.Event()

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        Handler.report = self.rfile.read(length).decode()
        self.send_response(204)
        self.end_headers()
        Handler.told.set()

    def log_message(self, *_):
        pass


def main():
    build()
    Handler.extensions_map[".wasm"] = "application/wasm"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), functools.partial(Handler, directory=WEB))
    address = f"http://127.0.0.1:{PORT}/"
    if "--serve" in sys.argv:
        print("web:", address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("web: no Chromium; CHROMIUM names one")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
             "--use-angle=swiftshader", "--remote-debugging-port=0", f"--user-data-dir={profile}", address],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = Handler.told.wait(PATIENCE)
        browser.terminate()
        browser.wait()
    if not told:
        sys.exit(f"web: the page told nothing within {PATIENCE} s")
    print(Handler.report)
    if not Handler.report.endswith("all right\n"):
        sys.exit(1)


main()
