"""Named tuples as structs: a kernel reads what is in them and writes to their arrays."""

from __future__ import annotations

from pickle import loads
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import typeof
from numba.core.errors import NumbaError
from numba.core.serialize import dumps

from pixcodec.network.kernels import kernel, tell_compiler
from pixcodec.network.structs import struct_of

INT64 = np.iinfo(np.int64)
tell_compiler()  # or numba would not know structs


class Number(NamedTuple):
    value: Any


class Pair(NamedTuple):
    first: Any
    second: Any


class Inside(NamedTuple):
    number: int
    array: Any


class Nested(NamedTuple):
    """Fields before, between and after two structs of a kind, one of which is in another."""

    before: int
    left: Inside
    between: Any
    right: Any  # a Pair of an Inside and a number
    after: float


@kernel
def value_of(s):
    return s.value


@pytest.mark.parametrize("value", [0, 1, -1, 255, -(2**31), 2**31, INT64.min, INT64.max, True, False])
def test_integers(value):
    found = value_of(struct_of(Number(value)))
    assert found == value
    assert isinstance(found, int)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint8, np.uint32])
def test_integers_of_numpy(kind):
    for value in (np.iinfo(kind).min, np.iinfo(kind).max):
        assert value_of(struct_of(Number(kind(value)))) == value


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -1e300, 5e-324, np.inf, np.nan, np.float64(0.1)])
def test_floats(value):
    found = value_of(struct_of(Number(value)))
    assert isinstance(found, float)
    assert np.float64(found).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("value", [np.float32(1.5), "5", None, [1]])
def test_other_fields_are_refused(value):
    with pytest.raises(TypeError):
        struct_of(Number(value))


@kernel
def take_1(s, at):
    return s.first[at[0]], s.first.shape[0], s.second[0]


@kernel
def take_2(s, at):
    return s.first[at[0], at[1]], s.first.shape[1], s.second[0]


@kernel
def take_3(s, at):
    return s.first[at[0], at[1], at[2]], s.first.shape[2], s.second[0]


@kernel
def take_4(s, at):
    return s.first[at[0], at[1], at[2], at[3]], s.first.shape[3], s.second[0]


TAKE = {1: take_1, 2: take_2, 3: take_3, 4: take_4}
DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64, np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5), (2, 1, 3, 2)])
def test_arrays(shape, dtype):
    array = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    struct = struct_of(Pair(array, np.array([-3])))
    for at in np.ndindex(shape):
        assert TAKE[len(shape)](struct, np.array(at)) == (array[at], shape[-1], -3)


@kernel
def change(s):
    s.first[1, 2] = 7
    s.first[2] = 9
    part = s.first[:2]
    part[0, 0] += 5
    s.second[-1] = -1


def test_kernels_write_to_the_arrays():
    array, other = np.zeros((3, 4), np.int32), np.zeros(5)
    change(struct_of(Pair(array, other)))
    assert array.tolist() == [[5, 0, 0, 0], [0, 0, 7, 0], [9] * 4]
    assert other.tolist() == [0, 0, 0, 0, -1]


@kernel
def sum_of_all(s):
    total, rows = 0, 0
    for row in s.first:
        rows += 1
        for value in row:
            total += value
    return total, rows, s.second


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_empty_arrays(shape):
    array = np.ones(shape, np.int64)
    assert sum_of_all(struct_of(Pair(array, 4))) == (array.size, shape[0], 4)


RECORD = np.dtype([("t", np.int64), ("lanes", np.int32), ("share", np.float64)], align=True)


@kernel
def go_on(s):
    record = s.first[0]
    record.t += 1
    record.share = record.lanes / 2
    s.first[s.second].lanes = 8
    return record.t


def test_structured_arrays():
    records = np.zeros(3, RECORD)
    records["t"], records["lanes"] = -5, 3
    struct = struct_of(Pair(records, 2))
    assert [go_on(struct), go_on(struct)] == [-4, -3]
    assert records.tolist() == [(-3, 3, 1.5), (-5, 3, 0), (-5, 8, 0)]


@kernel
def size_of(s):
    return s.value.size


def strided():
    whole = np.zeros((6, 6))
    return {
        "every second": whole[:, ::2],
        "columns of a wider one": whole[:, :3],
        "backwards": whole[::-1],
        "transposed": np.zeros((3, 4)).T,
        "of Fortran": np.zeros((3, 4), order="F"),
        "a field of records": np.zeros(4, RECORD)["t"],
        "one number again and again": np.broadcast_to(np.zeros(1), 4),
    }


@pytest.mark.parametrize("name", strided())
def test_arrays_that_are_not_contiguous_are_refused(name):
    array = strided()[name]
    for source in (Pair(1, array), Number(Number(array))):
        with pytest.raises(AssertionError):
            struct_of(source)
    assert size_of(struct_of(Number(np.ascontiguousarray(array)))) == array.size


def test_parts_that_are_contiguous_are_taken_where_they_are():
    whole = np.zeros((4, 3, 4), np.int32)
    change(struct_of(Pair(whole[1], whole[2, 0])))
    assert whole[1].tolist() == [[5, 0, 0, 0], [0, 0, 7, 0], [9] * 4]
    assert whole[2, 0].tolist() == [0, 0, 0, -1]
    assert not whole[[0, 3]].any()


@kernel
def number_of(inside):
    return inside.number


@kernel
def fill(inside, value):
    array = inside.array
    for k in range(len(array)):
        array[k] += value


@kernel
def read_all(s):
    fill(s.left, 10)
    fill(s.right.first, 20)
    inside = s.right.first
    return s.before, number_of(s.left), s.between.shape[1], number_of(inside), s.right.second, s.after


def nested():
    right = Pair(Inside(-3, np.zeros(3, np.int32)), 4)
    return Nested(1, Inside(2, np.zeros(2, np.int32)), np.zeros((5, 6)), right, 0.5)


def test_tuples_in_tuples():
    source = nested()
    assert read_all(struct_of(source)) == (1, 2, 6, -3, 4, 0.5)
    assert source.left.array.tolist() == [10] * 2
    assert source.right.first.array.tolist() == [20] * 3


def test_a_part_is_a_struct_by_itself():
    source = nested()
    assert number_of(struct_of(source.right.first)) == -3
    fill(struct_of(source.left), 1)
    assert source.left.array.tolist() == [1, 1]


@kernel
def shape_of(s):
    return s.first.shape


def test_structs_of_other_shapes_and_numbers_have_the_same_type():
    structs = [struct_of(Pair(np.zeros((n, 2)), n)) for n in (1, 5)]
    assert [shape_of(s) for s in structs] == [(1, 2), (5, 2)]
    assert len(shape_of.dispatcher.signatures) == 1
    assert shape_of(struct_of(Pair(np.zeros((1, 2), np.int16), 2))) == (1, 2)
    assert len(shape_of.dispatcher.signatures) == 2


def other_number(value: Any) -> Any:
    class Number(NamedTuple):
        value: Any

    return Number(value)


def test_classes_of_the_same_name_are_different_types():
    sources = (Number(1), other_number(1), Number(Number(1)), Number(other_number(1)))
    assert len({typeof(struct_of(source)) for source in sources}) == 4


def test_a_type_in_a_file_says_nothing_of_its_class():
    """Or numba's cache could not be read once the class has another name."""
    data = dumps(typeof(struct_of(nested())))
    assert loads(data) == typeof(struct_of(nested()))
    assert b"Nested" in data  # by its name
    for known in (Nested, Inside, Pair):
        assert dumps(known)[:-1] not in data


def test_a_struct_keeps_its_arrays():
    struct = struct_of(Pair(np.arange(1000, 2000), np.arange(3)))
    for _ in range(100):
        np.full(1000, -1)  # would take the place of an array that is no more
    assert take_1(struct, np.array([999])) == (1999, 1000, 0)


@kernel
def unknown_field(s):
    return s.third


@kernel
def assign(s):
    s.first = 3


@pytest.mark.parametrize("function", [unknown_field, assign])
def test_other_fields_and_assignments_are_no_kernels(function):
    with pytest.raises((NumbaError, NotImplementedError)):
        function(struct_of(Pair(1, 2)))
