"""Entry points -> object files, by numba and LLVM.

numba writes LLVM's code of an entry point and of all kernels that it calls, which does not depend on the
processor. It is optimised as a whole, once for each processor.
"""

from __future__ import annotations

import gc
import os
import re
from typing import Any

# Before numba is imported: it neither optimises, nor knows the processor of this machine.
os.environ.update(NUMBA_OPT="0", NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES="")

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, codegen, compiler, types
from numba.core.registry import cpu_target
from numba.cpython import slicing

from native.entries import Entry
from pixcodec.network import compiling, kernels
from pixcodec.network.llvm_code import NEEDS_WIDE_VECTORS
from pixcodec.network.native import CHECKING, FAILED, WIDE_VECTORS

_TRIPLE = "x86_64-unknown-linux-gnu"
# numba declares that integers do not overflow; those of hashes do, and wrap around.
_WRAPPING = re.compile(r"\b(add|sub|mul|shl)(?: nuw| nsw)+ ")
# What lets LLVM fuse a product with a sum: no code of a kernel has it, whatever it is compiled for.
_FUSING = re.compile(r"= f\w+ (?:[a-z]+ )*?(?:fast|contract|reassoc) |@llvm\.(?:fma|fmuladd)\b")
# LLVM's names. No processor has fused multiply-add: it rounds once where others round twice. With VNNI, all
# vectors may be of 512 bits.
TARGETS = {
    "sse4": ("x86-64-v2", ""),
    "avx2": ("x86-64-v3", "-fma"),
    "avx512": ("x86-64-v4", "-fma,+avx512vnni,-prefer-256-bit"),
}
_WIDE_VECTORS = {"avx512"}  # who answers that it has them
_ANSWER = re.compile(rf"(@{WIDE_VECTORS}\(\)[^{{]*{{[^}}]*ret i1) (?:true|false)")


def _translate_only() -> None:
    """Keep numba from what only matters where it runs kernels itself: it takes a third of the time."""
    compiling.OPTIONS |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    codegen.JITCodeLibrary.get_pointer_to_function = lambda library, name: 1
    codegen.JITCPUCodegen.set_env = lambda *_: None
    slicing.fix_index = _index_from_the_start


def _index_from_the_start(builder: Any, index: Any, size: Any) -> Any:
    """Take an index as it is: no kernel counts from the end of an array, which a negative one would do."""
    if CHECKING:
        with builder.if_then(builder.icmp_signed("<", index, index.type(0)), likely=False):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.trap"), [])
    return index


def object_files(entries: list[Entry]) -> dict[str, bytes]:
    """Return an object file of some entry points for each processor.

    Raises
    ------
    ValueError
        If LLVM may fuse a product of floats with a sum, which would be rounded once and not twice.
    """
    _translate_only()
    gc.disable()  # compiling makes many objects, few of which die
    code = _code(entries)
    if fusing := _FUSING.search(code):
        raise ValueError(f"LLVM may fuse operations of floats: {fusing.group()}")
    files = {}
    for processor, (cpu, features) in TARGETS.items():
        target = llvm.Target.from_triple(_TRIPLE)
        machine = target.create_target_machine(
            cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small"
        )
        module = llvm.parse_assembly(_for_processor(code, wide=processor in _WIDE_VECTORS))
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(module, passes)
        files[processor] = machine.emit_object(module)
    return files


def _for_processor(code: str, *, wide: bool) -> str:
    """Return code that knows whether there are wide vectors; if so, code for them may be inlined."""
    code = _ANSWER.sub(rf"\g<1> {str(wide).lower()}", code)
    return code.replace(NEEDS_WIDE_VECTORS, "alwaysinline") if wide else code


def _code(entries: list[Entry]) -> str:
    """Return the code of entry points; nothing but their symbols can be called from outside."""
    flags = compiler.Flags()
    flags.nrt, flags.no_cpython_wrapper, flags.no_cfunc_wrapper = False, True, True
    typing, target = cpu_target.typing_context, cpu_target.target_context
    callers, waiting, libraries = "", [], {}
    for point, layouts in entries:
        kernels.tell_compiler()
        parameters = (*map(compiling.struct_type, layouts), *[types.int64] * point.integers(layouts))
        result = compiler.compile_extra(typing, target, point.function, parameters, None, flags, {})
        callers += _caller(point.symbol(layouts), result.fndesc.llvm_func_name, len(layouts), len(parameters))
        waiting.append(result.library)
    while waiting:
        library = waiting.pop()
        if id(library) not in libraries:
            libraries[id(library)] = library
            waiting += library._linking_libraries
    module = llvm.parse_assembly(callers)
    for library in libraries.values():
        module.link_in(llvm.parse_assembly(str(library._final_module)))
    symbols = {point.symbol(layouts) for point, layouts in entries}
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name not in symbols:
            item.linkage = "internal"
    module.triple = _TRIPLE
    return _WRAPPING.sub(r"\1 ", str(module))


def _caller(symbol: str, name: str, addresses: int, count: int) -> str:
    """Return the code of a function that takes integers, and returns what a kernel of numba returns.

    A kernel writes its result to an address, and returns a status: 0 or -2 (None is the result), or an error.
    """
    taken = ", ".join(f"i64 %a{k}" for k in range(count))
    pointers = "\n".join(f"  %p{k} = inttoptr i64 %a{k} to ptr" for k in range(addresses))
    given = ", ".join(f"ptr %p{k}" if k < addresses else f"i64 %a{k}" for k in range(count))
    kinds = ", ".join(["ptr"] * (2 + addresses) + ["i64"] * (count - addresses))
    return f"""
declare i32 @"{name}"({kinds})
define i64 @{symbol}({taken}) {{
  %result = alloca i64
  %error = alloca ptr
  store i64 0, ptr %result
{pointers}
  %status = call i32 @"{name}"(ptr %result, ptr %error, {given})
  %value = load i64, ptr %result
  %other = icmp ne i32 %status, -2
  %bad = icmp ne i32 %status, 0
  %failed = and i1 %other, %bad
  %answer = select i1 %failed, i64 {FAILED}, i64 %value
  ret i64 %answer
}}
"""
