#!/usr/bin/env python3
"""What NVIDIA's compiler makes of the GPU kernels, without a GPU: registers, spills, bytes of code, and for kernels that
hold matrices in registers the least bound of matrices a second on an H100.

count.py [--save] [--recipes FILE] [--only WORD..] [--program batched-svd] [--work target/gpu-static]

Asks `batched-svd explain` for the kernels of every line of recipes.txt, compiles them for Hopper and compares the figures
with those of figures.json, up to SLACK; --save writes them there. The first run puts the compiler, from PyPI, into WORK.
Exits with 1 where figures are worse than they were, with 3 where the compiler cannot be had.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import types

import estimate
import nvidia

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# One release, so that figures differ by the kernels alone.
PACKAGES = (
    "nvidia-cuda-nvcc==13.5.37",
    "nvidia-cuda-crt==13.5.37",
    "nvidia-nvvm==13.5.37",
    "nvidia-cuda-runtime==13.5.37",
    "nvidia-cuda-cccl==13.3.5.0.6",
    "nvidia-cuda-nvdisasm==13.5.37",
)
# A kernel may become worse by so much before somebody has to look.
SLACK = 1.05


def tools(work: pathlib.Path):
    """A Python environment with NVIDIA's compiler."""
    venv = work / "venv"
    if not list(venv.glob("lib/python*/site-packages/nvidia/cu*/bin/nvcc")):
        made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True)
        got = made.returncode or subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", *PACKAGES], capture_output=True).returncode
        if got:
            print("count.py: NVIDIA's compiler cannot be had here: NOT compared", file=sys.stderr)
            sys.exit(3)


def explained(program, line: str, work: pathlib.Path):
    """The kernels of a recipe, as names and facts; their texts lie in WORK/kernels."""
    device, dtype, op, shape, *settings = line.split()
    stem = "-".join([device, dtype, op, shape] + [s.replace("=", "") for s in settings])
    folder, kernels = work / "texts" / stem, work / "kernels"
    kernels.mkdir(parents=True, exist_ok=True)
    command = [program, "explain", shape, "--op", op, "--dtype", dtype, "--wgsl", folder]
    command += ["--device", ROOT / "examples/devices" / f"{device}.json"]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    plan = json.loads((folder / "plan.json").read_text())
    found = []
    for stage in plan["stages"]:
        name = f"{stem}-{stage['name']}"
        (kernels / f"{name}.msl").write_text((folder / f"{stage['name']}.msl").read_text())
        found.append((name, plan | {"stage": stage}))
    return found


def figures(name: str, plan: dict, work: pathlib.Path) -> dict:
    """What the compiler says of a kernel, and a bound where it can be counted."""
    out = work / "nvidia"
    out.mkdir(exist_ok=True)
    said = nvidia.compile(work / "kernels" / f"{name}.msl", out, "sm_90", work)
    if "error" in said:
        sys.exit(f"count.py: {name}: {said['error']}")
    found = {key: said[key] for key in ("registers", "spill_stores", "shared", "code")}
    rows, cols = max(plan["rows"], plan["cols"]), min(plan["rows"], plan["cols"])
    about = {
        "path": plan["kernel"], "rows": rows, "cols": cols, "u_cols": cols, "dtype": plan["dtype"], "op": plan["op"],
        "shape": f"{plan['rows']}x{plan['cols']}", "workgroup": plan["stage"]["workgroup"], "team": plan["stage"]["lanes"],
    }
    if plan["stage"]["name"] in ("tiny", "columns"):
        options = types.SimpleNamespace(of={}, clock=1.98e9, bandwidth=3.0e12)
        bound = estimate.estimate(out / f"{name}.sass", about, said, options)
        if bound:
            found["executed"] = round(bound["executed"])
            found["bound"] = float(f"{min(bound[key] for key in ('issue', 'units', 'latency', 'memory')):.3g}")
    return found


def worse(now: dict, then: dict):
    """Figures that are worse than they were."""
    for key, value in now.items():
        if key in then:
            more = (then[key], value) if key == "bound" else (value, then[key])
            if more[0] > more[1] * SLACK + (8 if key in ("registers", "spill_stores") else 0):
                yield f"{key} {value}, was {then[key]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--recipes", type=pathlib.Path, default=HERE / "recipes.txt")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--program", default=ROOT / "target/release/batched-svd")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target/gpu-static")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    tools(options.work)
    lines = [line.split("#")[0].strip() for line in options.recipes.read_text().splitlines()]
    lines = [line for line in lines if line and all(word in line for word in options.only)]
    kernels = [kernel for line in lines for kernel in explained(options.program, line, options.work)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda kernel: figures(*kernel, options.work), kernels))
    path = HERE / "figures.json"
    then = json.loads(path.read_text()) if path.exists() else {}
    print(f"{'kernel':44} {'registers':>9} {'spilled':>7} {'shared':>7} {'code':>7} {'executed':>8} {'bound':>8}")
    failed = False
    for (name, _), now in zip(kernels, found):
        slips = list(worse(now, then.get(name, {})))
        failed |= bool(slips)
        print(f"{name:44} {now['registers']:9} {now['spill_stores']:7} {now['shared']:7} {now['code']:7} "
              f"{now.get('executed', ''):>8} {f'{bound:.2e}' if (bound := now.get('bound')) else '':>8} {'; '.join(slips)}")
    if options.save:
        then |= {name: now for (name, _), now in zip(kernels, found)}
        rows = [f"  {json.dumps(name)}: {json.dumps(then[name])}" for name in sorted(then)]
        path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    elif failed:
        sys.exit("count.py: kernels are worse than figures.json has them")


if __name__ == "__main__":
    main()
