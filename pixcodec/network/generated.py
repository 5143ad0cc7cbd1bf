"""Code of LLVM that kernels contain where numba has no words for it; imported only where numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)


def clock(typing_context: Any) -> Any:
    """Return the cycle counter of the processor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_I64, [])
        function = builder.module.globals.get("llvm.readcyclecounter")
        return builder.call(function or ir.Function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate


class _Block(NamedTuple):
    """The sums that stay in registers."""

    lanes: int
    vectors: int  # of outputs
    width: int  # outputs of a vector

    @property
    def outputs(self) -> int:
        return self.vectors * self.width

    @property
    def sums_type(self) -> Any:
        return ir.VectorType(_I32, self.width)

    @property
    def pairs_type(self) -> Any:
        return ir.VectorType(_I16, 2 * self.width)


def block_of_products(lanes: int, vectors: int, width: int) -> Callable[..., Any]:
    """Return what generates the products of so many lanes and vectors (:mod:`pixcodec.network.products`)."""

    def block(
        typing_context: Any,
        segments: Any,
        count: Any,
        pairs: Any,
        offset: Any,
        lane_bytes: Any,
        weights: Any,
        out: Any,
        row_bytes: Any,
    ) -> Any:
        """Write the sums to address ``out``; addresses and numbers of bytes are int64."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _generate(builder, _Block(lanes, vectors, width), arguments)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return block


def _generate(b: Any, block: _Block, arguments: Any) -> None:
    """Emit two nested loops, over segments and pairs of inputs, with the sums in registers."""
    segments, count, pairs, offset, lane_bytes, weights, out, row_bytes = arguments
    width, sums_type, pairs_type = block.width, block.sums_type, block.pairs_type
    cells = [(lane, vector) for lane in range(block.lanes) for vector in range(block.vectors)]
    entry, outer = b.block, b.append_basic_block("segment")
    loop, done = b.append_basic_block("pair"), b.append_basic_block("done")
    b.branch(outer)

    b.position_at_end(outer)
    segment, outer_weights = b.phi(_I64), b.phi(_I64)
    outer_sums = {cell: b.phi(sums_type) for cell in cells}
    start = b.inttoptr(b.add(segments, b.shl(segment, _I64(3))), _I64.as_pointer())
    first = b.add(b.load(start), offset)
    b.branch(loop)

    b.position_at_end(loop)
    k, w, inputs = b.phi(_I64), b.phi(_I64), b.phi(_I64)
    sums = {cell: b.phi(sums_type) for cell in cells}
    loaded = [_load(b, b.add(w, _I64(4 * width * v)), pairs_type) for v in range(block.vectors)]
    added = {}
    for lane in range(block.lanes):
        pair = _load(b, b.add(inputs, b.mul(lane_bytes, _I64(lane))), _I32)
        both = b.bitcast(_broadcast(b, pair, sums_type), pairs_type)
        for v in range(block.vectors):
            added[lane, v] = b.add(sums[lane, v], _products(b, width, both, loaded[v]))
    k_next, w_next, inputs_next = b.add(k, _I64(1)), b.add(w, _I64(4 * block.outputs)), b.add(inputs, _I64(4))
    segment_next = b.add(segment, _I64(1))
    again = b.icmp_signed("<", k_next, pairs)
    between = b.append_basic_block("next")
    b.cbranch(again, loop, between)

    b.position_at_end(between)
    b.cbranch(b.icmp_signed("<", segment_next, count), outer, done)

    for phi, initial, following in ((segment, _I64(0), segment_next), (outer_weights, weights, w_next)):
        phi.add_incoming(initial, entry)
        phi.add_incoming(following, between)
    starts = ((k, _I64(0), k_next), (w, outer_weights, w_next), (inputs, first, inputs_next))
    for phi, initial, following in starts:
        phi.add_incoming(initial, outer)
        phi.add_incoming(following, loop)
    for cell in cells:
        outer_sums[cell].add_incoming(ir.Constant(sums_type, [0] * width), entry)
        outer_sums[cell].add_incoming(added[cell], between)
        sums[cell].add_incoming(outer_sums[cell], outer)
        sums[cell].add_incoming(added[cell], loop)

    b.position_at_end(done)
    for lane, v in cells:
        at = b.add(out, b.add(b.mul(row_bytes, _I64(lane)), _I64(4 * width * v)))
        b.store(added[lane, v], b.inttoptr(at, sums_type.as_pointer())).align = 4


def _load(b: Any, address: Any, kind: Any) -> Any:
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = 2
    return value


def _broadcast(b: Any, value: Any, kind: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    one = b.insert_element(nothing, value, _I32(0))
    return b.shuffle_vector(one, nothing, ir.Constant(kind, [0] * kind.count))


def _products(b: Any, width: int, inputs: Any, weights: Any) -> Any:
    """Return the sums of the products of neighbouring elements."""
    wide = ir.VectorType(_I32, 2 * width)
    product = b.mul(b.sext(inputs, wide), b.sext(weights, wide))
    nothing = ir.Constant(wide, ir.Undefined)
    even, odd = (
        ir.Constant(ir.VectorType(_I32, width), list(range(start, 2 * width, 2))) for start in (0, 1)
    )
    return b.add(b.shuffle_vector(product, nothing, even), b.shuffle_vector(product, nothing, odd))
