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
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WEB = os.path.join(ROOT, "examples", "web")
PATIENCE = 300
KERNELS = ["tiny", "columns", "resident", "swept", "blocks"]


def run(*command):
    print("web:", " ".join(command), flush=True)
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(f"web: {command[0]} failed")


def build():
    target = "wasm32-unknown-unknown"
    if shutil.which("rustup"):
        run("rustup", "target", "add", target)
    built = os.path.join(ROOT, "target", "web")
    run("cargo", "build", "--quiet", "--locked", "--release", "--target", target, "--target-dir", built,
        "--manifest-path", os.path.join(WEB, "Cargo.toml"))
    version = re.search('wasm-bindgen = "=(.*)"', open(os.path.join(WEB, "Cargo.toml")).read())[1]
    tools = os.path.join(ROOT, "target", "tools", version)
    tool = os.path.join(tools, "bin", "wasm-bindgen")
    if not os.path.exists(tool):
        run("cargo", "install", "--quiet", "--debug", "--root", tools, "--version", version, "wasm-bindgen-cli")
    run(tool, "--target", "web", "--out-dir", os.path.join(WEB, "pkg"),
        os.path.join(built, target, "release", "batched_svd_web.wasm"))


class Handler(http.server.SimpleHTTPRequestHandler):
    report = None

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        Handler.report = self.rfile.read(length).decode()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(port):
    Handler.extensions_map[".wasm"] = "application/wasm"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=WEB))
    return server, f"http://127.0.0.1:{server.server_port}/"


def report_of(chromium, address):
    """What the page tells once it is done."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        said = open(os.path.join(profile, "said"), "w+")
        browser = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
             "--use-angle=swiftshader", "--remote-debugging-port=0", f"--user-data-dir={profile}", address],
            stdout=said, stderr=said)
        try:
            end = time.monotonic() + PATIENCE
            while Handler.report is None:
                if browser.poll() is not None or time.monotonic() > end:
                    said.seek(0)
                    sys.exit(f"web: the page told nothing; {chromium} says:\n{said.read()}")
                time.sleep(0.1)
        finally:
            browser.kill()
            browser.wait()
    return Handler.report


def main():
    if "--serve" in sys.argv:
        build()
        server, address = serve(8123)
        print("web:", address)
        return server.serve_forever()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("web: no Chromium; CHROMIUM names one")
    build()
    server, address = serve(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    report = report_of(chromium, address)
    print(report)
    missing = [kernel for kernel in KERNELS if f": jacobi-{kernel}," not in report]
    if missing:
        sys.exit(f"web: no kernel {', '.join(missing)}")
    if not report.endswith("all right\n"):
        sys.exit(1)


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
