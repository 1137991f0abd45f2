#!/usr/bin/env python3
"""Times what a Python user would pick instead: NumPy, PyTorch, CuPy, JAX, on the CPU and on CUDA.

By itself it prints one JSON object a line, with the keys of `batched-svd bench --json`:

    peers.py [--ops svd,svdvals,pinv,eigh,eigvalsh] [--dtypes f32,f64,c32,c64] [--shapes 3x3:100000,8x8:20000]
             [--peers numpy,torch-cpu,torch-gesvdj] [--seconds 1.0] > peers.jsonl
    batched-svd bench --merge mine.jsonl peers.jsonl

`batched-svd bench --python-peers --python ENV/bin/python` runs it with --serve, one request a line.
The environment is made on request (it is large):

    peers.py --make-environment DIR [--gpu]

Inputs are independent standard normal entries (of complex ones two, c32 and c64), for eigh and eigvalsh the
symmetric or Hermitian part of such a matrix, resident where the peer computes. A time is the wall time of one call, between two
synchronisations of the device; the reported one is the median.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
import venv

SHAPES = ("2x2:200000,3x3:200000,4x4:100000,6x7:40000,8x8:20000,16x16:8000,24x24:4000,32x32:2000,48x48:1000,"
          "64x64:500,96x96:200,128x128:100,256x256:16,512x512:4,64x16:4000,256x32:800,1024x16:800,1024x64:100,"
          "7x6:40000,16x64:4000")
SYMMETRIC = ("eigh", "eigvalsh")
REPETITIONS = 5


def functions(la):
    """The function of each operation, in libraries that have the names of numpy.linalg."""
    return {"svd": lambda a: la.svd(a, full_matrices=False), "svdvals": lambda a: la.svd(a, compute_uv=False),
            "pinv": la.pinv, "eigh": la.eigh, "eigvalsh": la.eigvalsh}


class Peer:
    def normal(self, batch, m, n, dtype):
        real = lambda: self.real(batch, m, n, dtype.replace("c", "f"))
        return real() + 1j * real() if dtype[0] == "c" else real()


class NumPy(Peer):
    def __init__(self):
        import numpy
        self.np, self.name, self.device = numpy, "numpy", f"NumPy {numpy.__version__}"
        self.rng = numpy.random.default_rng()

    def dtype(self, name):
        return {"f32": self.np.float32, "f64": self.np.float64}[name]

    def real(self, batch, m, n, dtype):
        return self.rng.standard_normal((batch, m, n), dtype=self.dtype(dtype))

    def call(self, op):
        return functions(self.np.linalg)[op]

    def sync(self, result):
        pass

    def host(self, x):
        return self.np.asarray(x)


class Torch(Peer):
    def __init__(self, device, driver=None):
        import torch
        self.torch, self.where, self.driver = torch, device, driver
        self.name = f"torch-{driver or device}"
        name = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
        self.device = f"PyTorch {torch.__version__}, {name}"

    def real(self, batch, m, n, dtype):
        torch = self.torch
        td = {"f32": torch.float32, "f64": torch.float64}[dtype]
        return torch.randn(batch, m, n, dtype=td, device=self.where)

    def call(self, op):
        la, kw = self.torch.linalg, {"driver": self.driver} if self.driver else {}
        # The others take no driver: they are timed once, as their default.
        if op not in ("svd", "svdvals") and self.driver not in (None, "gesvdj"):
            raise NotImplementedError(f"{op} takes no driver")
        own = {"svd": lambda a: la.svd(a, full_matrices=False, **kw), "svdvals": lambda a: la.svdvals(a, **kw)}
        return {**functions(la), **own}[op]

    def sync(self, result):
        if self.where == "cuda":
            self.torch.cuda.synchronize()

    def host(self, x):
        return x.cpu().resolve_conj().numpy()


class CuPy(Peer):
    def __init__(self):
        import cupy
        self.cp, self.name = cupy, "cupy"
        props = cupy.cuda.runtime.getDeviceProperties(0)
        self.device = f"CuPy {cupy.__version__}, {props['name'].decode()}"

    def real(self, batch, m, n, dtype):
        cd = {"f32": self.cp.float32, "f64": self.cp.float64}[dtype]
        return self.cp.random.standard_normal((batch, m, n)).astype(cd)

    def call(self, op):
        return functions(self.cp.linalg)[op]

    def sync(self, result):
        self.cp.cuda.Device().synchronize()

    def host(self, x):
        return self.cp.asnumpy(x)


class Jax(Peer):
    def __init__(self):
        import jax
        jax.config.update("jax_enable_x64", True)
        self.jax, self.key = jax, jax.random.PRNGKey(time.time_ns() % (1 << 31))
        platform = jax.default_backend()
        self.name, self.device = f"jax-{platform}", f"JAX {jax.__version__}, {jax.devices()[0]}"

    def real(self, batch, m, n, dtype):
        import jax.numpy as jnp
        self.key, key = self.jax.random.split(self.key)
        jd = {"f32": jnp.float32, "f64": jnp.float64}[dtype]
        return self.jax.block_until_ready(self.jax.random.normal(key, (batch, m, n), dtype=jd))

    def call(self, op):
        return self.jax.jit(functions(self.jax.numpy.linalg)[op])

    def sync(self, result):
        self.jax.block_until_ready(result)

    def host(self, x):
        import numpy
        return numpy.asarray(x)


def torch_on_cuda():
    import torch
    if not torch.cuda.is_available():
        raise RuntimeError("no CUDA")
    return [Torch("cuda", driver) for driver in ("gesvdj", "gesvda", "gesvd")]


MAKERS = (({"numpy"}, lambda: [NumPy()]), ({"torch-cpu"}, lambda: [Torch("cpu")]),
          ({"torch-gesvdj", "torch-gesvda", "torch-gesvd"}, torch_on_cuda), ({"cupy"}, lambda: [CuPy()]),
          ({"jax-cpu", "jax-gpu"}, lambda: [Jax()]))


def find(wanted=()):
    """Whatever is installed and has a device; of the wanted, if there are any, without importing the rest."""
    found = []
    for names, make in MAKERS:
        if wanted and not names & set(wanted):
            continue
        try:
            found += make()
        except Exception:  # not there, or no device: that is no news
            pass
    return {peer.name: peer for peer in found if not wanted or peer.name in wanted}


class Loaded:
    """One peer with one case."""

    def __init__(self, peer, op, m, n, batch, dtype):
        self.peer, self.op = peer, op
        calls = peer.__dict__.setdefault("calls", {})  # kept, since what is compiled hangs on the function
        if op not in calls:
            calls[op] = peer.call(op)
        self.call = calls[op]
        self.a = peer.normal(batch, m, n, dtype)
        if op in SYMMETRIC:
            self.a = 0.5 * (self.a + self.a.swapaxes(-1, -2).conj())
        self.result = None
        # Untimed: what a library opens at its first call, and what one that compiles does for each shape.
        seen = peer.__dict__.setdefault("seen", set())
        key = (op, dtype, m, n, batch) if isinstance(peer, Jax) else "opened"
        if key not in seen:
            seen.add(key)
            small = self.a if isinstance(peer, Jax) else peer.normal(1, 2, 2, dtype)
            peer.sync(self.call(small))

    def run(self):
        self.result = None
        self.peer.sync(self.a)
        start = time.perf_counter()
        self.result = self.call(self.a)
        self.peer.sync(self.result)
        return time.perf_counter() - start

    def check(self, count):
        """The largest residual and loss of orthogonality, in f64 or complex128, as the Rust side defines them."""
        import numpy as np

        def f64(x):
            x = self.peer.host(x[:count])
            return x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)

        norm = lambda x: np.sqrt((abs(x) ** 2).sum(axis=(-2, -1)))
        a = f64(self.a)
        t = lambda x: np.swapaxes(x, -1, -2).conj()
        if self.op in ("svd", "eigh"):
            results = [f64(x) for x in self.result]
            u, s, vt = results if self.op == "svd" else (results[1], results[0], t(results[1]))
            loss = lambda q: np.abs(t(q) @ q - np.eye(q.shape[-1])).max()
            return (norm(a - (u * s[:, None, :]) @ vt) / norm(a)).max(), max(loss(u), loss(t(vt)))
        if self.op in ("svdvals", "eigvalsh"):
            s = f64(self.result)
            return (np.abs(norm(a) - np.sqrt((s * s).sum(-1))) / norm(a)).max(), 0.0
        x, s = f64(self.result), np.linalg.svd(a, compute_uv=False)
        ax, xa, condition = a @ x, x @ a, s[:, 0] / s[:, -1]
        four = (norm(ax @ a - a) / norm(a), norm(xa @ x - x) / norm(x), norm(t(ax) - ax) / norm(ax),
                norm(t(xa) - xa) / norm(xa))
        return (np.maximum.reduce(four) / condition).max(), 0.0


def serve(wanted):
    """Answers requests, one JSON object a line, until the pipe closes."""
    peers, loaded = find(wanted), {}
    out, sys.stdout = sys.stdout, sys.stderr  # whatever libraries print is not an answer
    for line in sys.stdin:
        try:
            request = json.loads(line)
            what = request["do"]
            if what == "peers":
                answer = {"peers": [{"name": p.name, "device": p.device} for p in peers.values()]}
            elif what == "load":
                loaded.pop(request["peer"], None)
                keys = ("op", "m", "n", "batch", "dtype")
                loaded[request["peer"]] = Loaded(peers[request["peer"]], *(request[k] for k in keys))
                answer = {}
            elif what == "run":
                answer = {"seconds": loaded[request["peer"]].run()}
            elif what == "check":
                residual, orthogonality = loaded[request["peer"]].check(request["count"])
                answer = {"residual": float(residual), "orthogonality": float(orthogonality)}
            else:
                loaded.pop(request["peer"], None)
                answer = {}
        except Exception as e:  # a finding, not a crash
            answer = {"error": f"{type(e).__name__}: {e}"[:160]}
        print(json.dumps(answer), file=out, flush=True)


def time_case(peer, op, m, n, asked, dtype, seconds):
    row = dict(peer=peer.name, op=op, m=m, n=n, asked_batch=asked, dtype=dtype, device=peer.device)
    try:
        probe = Loaded(peer, op, m, n, min(asked, 64), dtype)
        probe.run()
        each = probe.run() / min(asked, 64)
        batch = max(1, min(asked, int(seconds / REPETITIONS / max(each, 1e-9))))
        case = Loaded(peer, op, m, n, batch, dtype)
        case.run()
        times = sorted(case.run() for _ in range(REPETITIONS))
        residual, orthogonality = case.check(min(batch, 256))
        median = statistics.median(times)
        row.update(batch=batch, seconds=median, seconds_min=times[0], seconds_max=times[-1],
                   matrices_per_s=batch / median, residual=float(residual), orthogonality=float(orthogonality),
                   ok=True, note="")
    except Exception as e:
        row.update(batch=asked, seconds=None, matrices_per_s=None, ok=False, note=f"{type(e).__name__}: {e}"[:160])
    print(json.dumps(row), flush=True)


def make_environment(folder, gpu):
    venv.create(folder, with_pip=True)
    packages = ["numpy", "torch"] + (["cupy-cuda12x", "jax[cuda12]"] if gpu else [])
    subprocess.check_call([f"{folder}/bin/python", "-m", "pip", "install", *packages])
    print(f"{folder}/bin/python")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ops", default="svd,pinv,svdvals")
    p.add_argument("--dtypes", default="f32")
    p.add_argument("--shapes", default=SHAPES,
                   help="ROWSxCOLS:BATCH, comma separated; eigh and eigvalsh take the square ones")
    p.add_argument("--peers", help="names, comma separated; all that are found by default")
    p.add_argument("--peer", action="append", default=[], help=argparse.SUPPRESS)
    p.add_argument("--seconds", type=float, default=1.0, help="for each case and peer")
    p.add_argument("--make-environment", metavar="DIR")
    p.add_argument("--gpu", action="store_true", help="the environment gets CuPy and JAX for CUDA")
    p.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.make_environment:
        return make_environment(o.make_environment, o.gpu)
    if o.serve:
        return serve(o.peer)
    names = o.peers.split(",") if o.peers else []
    peers = find(names)
    names = names or list(peers)
    unknown = [name for name in names if name not in peers]
    if unknown or not names:
        sys.exit(f"peers.py: not here: {', '.join(unknown) or 'any peer'}; found: {', '.join(peers) or 'none'}")
    for dtype in o.dtypes.split(","):
        for shape in o.shapes.split(","):
            size, _, batch = shape.partition(":")
            m, n = (int(x) for x in size.split("x"))
            for op in o.ops.split(","):
                if op in SYMMETRIC and m != n:
                    continue
                for name in names:
                    time_case(peers[name], op, m, n, int(batch or 1000), dtype, o.seconds)


if __name__ == "__main__":
    sys.exit(main())
