"""No product of floats is fused with a sum: that would round once where other processors round twice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pixcodec.network import native

llvm = pytest.importorskip("llvmlite.binding")
numba = pytest.importorskip("numba")

TESTS = Path(__file__).parent
# A VEX prefix of three bytes for the opcodes 0F 38, with 66, then one of vfmadd, vfmsub, vfnmadd and vfnmsub.
X86_FMA = re.compile(rb"\xc4(?=(.)(.)[\x96-\x9f\xa6-\xaf\xb6-\xbf])", re.DOTALL)
# Those of AVX-512 have a prefix that other bytes happen to look like in a whole library: read as text.
AVX512_FMA = re.compile(r"^\s*vfn?m(?:add|sub)", re.MULTILINE)
ARM_FMA = re.compile(r"^\s*(?:fn?m(?:add|sub)|fml[as])\s", re.MULTILINE)
CODE = """
define void @run(ptr %p, <4 x double> %a, <4 x double> %b, <4 x double> %c, double %d, double %e) {{
  %product = fmul {flag} <4 x double> %a, %b
  %sum = fadd {flag} <4 x double> %product, %c
  store <4 x double> %sum, ptr %p
  %one = extractelement <4 x double> %sum, i32 0
  %small = fmul {flag} double %d, %e
  %less = fsub {flag} double %one, %small
  store double %less, ptr %p
  ret void
}}
"""
SCRIPT = """
import sys
sys.path[:0] = {root!r}, {tests!r}
import json
from fits import entries
from native import machine_code
machine_code._translate_only()
print(json.dumps(machine_code._code(entries())))
"""


def x86_fma(code: bytes) -> int:
    """Return how many instructions may fuse, if each place in some bytes is the start of one."""
    found = X86_FMA.finditer(code)
    return sum(m[1][0] & 31 == 2 and m[2][0] & 3 == 1 for m in found)


def machine(triple: str, cpu: str):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this llvmlite knows no {triple}")
    return target.create_target_machine(cpu=cpu, opt=3, reloc="pic")


def optimised(code: str, target):
    module = llvm.parse_assembly(code)
    module.triple = target.triple
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return module


@pytest.mark.parametrize(("flag", "fused"), [("", False), ("contract", True)])
def test_llvm_fuses_only_what_says_so(flag: str, fused: bool) -> None:
    code = CODE.format(flag=flag)
    x86 = machine("x86_64-unknown-linux-gnu", "haswell")  # which has such instructions
    assert (x86_fma(x86.emit_object(optimised(code, x86))) > 0) == fused
    wide = machine("x86_64-unknown-linux-gnu", "x86-64-v4")
    assert bool(AVX512_FMA.search(wide.emit_assembly(optimised(code, wide)))) == fused
    arm = machine("aarch64-unknown-linux-gnu", "neoverse-n1")
    assert bool(ARM_FMA.search(arm.emit_assembly(optimised(code, arm)))) == fused


@pytest.mark.skipif(native._library() is None, reason="python native/build.py was not run")
def test_the_machine_code_has_no_such_instruction() -> None:
    """Other instructions of AVX-512 happen to look like one; its library is made from the same code."""
    libraries = list(native.FOLDER.glob("*.so"))
    assert len(libraries) == len(native.PROCESSORS["x86_64"])
    for path in libraries:
        assert path.stem.endswith("avx512") or x86_fma(path.read_bytes()) == 0


@pytest.mark.slow
def test_kernels_of_least_squares_say_nothing_of_fusing() -> None:
    """In the LLVM code that numba writes of them, from which it compiles as the machine code is."""
    script = SCRIPT.format(root=str(TESTS.parent), tests=str(TESTS))
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = json.loads(done.stdout)
    assert len(re.findall(r"= fmul ", code)) > 5
    fusing = re.compile(r"= f\w+ (?:[a-z]+ )*?(?:fast|contract|reassoc) |@llvm\.(?:fma|fmuladd)\b")
    assert not fusing.search(code)
    x86 = machine("x86_64-unknown-linux-gnu", "haswell")
    assert x86_fma(x86.emit_object(optimised(code, x86))) == 0
    wide = machine("x86_64-unknown-linux-gnu", "x86-64-v4")
    assembly = wide.emit_assembly(optimised(code, wide))
    assert "vmulp" in assembly
    assert not AVX512_FMA.search(assembly)
    arm = machine("aarch64-unknown-linux-gnu", "neoverse-n1")
    assembly = arm.emit_assembly(optimised(code, arm))
    assert "fmul" in assembly
    assert not ARM_FMA.search(assembly)


@pytest.mark.slow
def test_numba_fuses_nothing_here() -> None:
    from pixcodec.network.compiling import OPTIONS

    assert not OPTIONS.get("fastmath")

    @numba.njit(**OPTIONS)
    def run(a, b, c):
        return a * b + c

    run(1.5, 2.5, 3.5)
    (assembly,) = run.inspect_asm().values()
    assert "mul" in assembly
    assert not re.search(r"vfn?m(?:add|sub)", assembly)
    assert not ARM_FMA.search(assembly)
