"""Efforts normal and max: a subpixel is eight bits, predicted by context mixing (FORMAT.md, section Mixing).

What the layers of the network (:mod:`pixcodec.coding.network_layer`) and the side layers
(:mod:`pixcodec.coding.side_layer`) have in common. Their stages are named tuples with the fields ``mixing``,
``mixture``, ``canvas``, ``progress``, ``runs`` and ``team``, and implement
:func:`pixcodec.coding.runs.copy_pixels` and two operations more:

    do_own_part     do a part of the jobs FEATURES, once a wavefront, and VALUES, once a channel of it, which
                    sets up mixtures and contexts
    finish_values   take the subpixels into the canvas

What takes time is shared between threads (:mod:`pixcodec.coding.team`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pixcodec.coding.driver import Rows, Symbols, learn, predict, prepare, recall
from pixcodec.coding.run_ends import mark_contexts
from pixcodec.coding.runs import cut_runs, learn_runs, limit_runs, next_pixels, predict_runs, recall_runs
from pixcodec.coding.team import (
    FEATURES,
    JOB,
    LEARN,
    OPEN,
    PREDICT,
    SLOTS,
    VALUES,
    do_part,
    parts_of,
    share_job,
)
from pixcodec.mixing.bit import find_open_slots, learn_alone, learn_bits, predict_bits, take_bits, write_rows
from pixcodec.mixing.matches import find_matches
from pixcodec.mixing.state import BEGINNING, OFFSET, Mixing
from pixcodec.mixing.sure import list_open, set_kinds
from pixcodec.network import profiling
from pixcodec.network.kernels import implements, kernel
from pixcodec.network.profiling import CONTEXTS, OUTSIDE, lap
from pixcodec.network.wavefront import Int32, Share, next_channel, position


def do_own_part(stage: Any, share: Share) -> None:
    """Do a part of the jobs FEATURES and VALUES, as ``stage.team[JOB]`` says."""
    raise NotImplementedError


def finish_values(stage: Any) -> None:
    """Take the subpixels of a wavefront's channel, whose bits are known, into the canvas."""
    raise NotImplementedError


def coded_by_bits(kind: type) -> type:
    """Let the stages of a kind be coded bit by bit; their canvas holds what is coded."""
    return code_by_bits(kind, _recall)


def code_by_bits(kind: type, recall_bits: Callable[[Any, Symbols, int], None]) -> type:
    """Let the stages of a kind be coded bit by bit; ``recall_bits`` finds the bits in their canvas."""
    implements(prepare, kind)(_prepare)
    implements(predict, kind)(_predict)
    implements(recall, kind)(recall_bits)
    implements(learn, kind)(_learn)
    implements(limit_runs, kind)(_limit_runs)
    implements(do_part, kind)(_do_part)
    return kind


def _limit_runs(stage: Any) -> None:
    if stage.mixing.rules.matches:
        cut_runs(stage.runs, stage.mixing.repeats, stage.canvas, stage.mixing.wave[0])


def _prepare(stage: Any) -> int:
    wave = stage.mixing.wave[0]
    lap(wave, OUTSIDE)
    if wave.depth == BEGINNING:
        if wave.channel == wave.first_channel:
            symbols = next_pixels(stage, wave)
            if symbols == 0 or stage.runs.state[0].asking > 0:
                return int(symbols)
            wave.pixels += wave.lanes
            if stage.mixing.rules.matches:
                find_matches(stage.mixing.repeats, stage.canvas, wave)
            stage.team[JOB] = FEATURES
            share_job(stage, wave.lanes)
        wave.first_depth = stage.mixing.first_depths[wave.channel]
        stage.team[JOB] = VALUES
        share_job(stage, wave.lanes)
        if stage.runs.on:
            mark_contexts(stage.runs, stage.mixing.ctx, wave)
        wave.depth = wave.first_depth
    if wave.depth & 3 == 0 or wave.depth == wave.first_depth:
        lap(wave, CONTEXTS)
        stage.team[JOB] = OPEN
        share_job(stage, wave.lanes)
        wave.open = list_open(stage.mixing)
        if wave.open > 0:
            stage.team[JOB] = SLOTS
            share_job(stage, wave.open)
        lap(wave, profiling.SLOTS)
    return int(wave.lanes)


def _do_part(stage: Any, share: Share) -> None:
    job, mixing = stage.team[JOB], stage.mixing
    if job == OPEN:
        set_kinds(mixing, stage.mixture, share)
    elif job == SLOTS:
        find_open_slots(mixing, mixing.wave[0].open, share)
    elif job == PREDICT:
        predict_bits(mixing, share)
    elif job == LEARN:
        learn_bits(mixing, mixing.wave[0].open, share)
    else:
        do_own_part(stage, share)


def _predict(stage: Any, buffer: Rows, start: int) -> None:
    if stage.runs.state[0].asking > 0:
        predict_runs(stage.runs, buffer, start)
    else:
        stage.team[JOB] = PREDICT
        share_job(stage, stage.mixing.wave[0].lanes)
        write_rows(stage.mixing, buffer, start)
    lap(stage.mixing.wave[0], profiling.PREDICT)


def _recall(stage: Any, buffer: Symbols, start: int) -> None:
    if stage.runs.state[0].asking > 0:
        recall_runs(stage.runs, stage.canvas, stage.mixing.wave[0], buffer, start)
    else:
        _recall_bits(stage.mixing, stage.canvas, buffer, start)


@kernel
def _recall_bits(s: Mixing, canvas: Int32, buffer: Symbols, start: int) -> None:
    wave, lane = s.wave[0], s.lane
    for i in range(wave.lanes):
        y, x = position(wave, i)
        symbol = (canvas[y, x, wave.channel] - lane[i].base + OFFSET) & 255
        buffer[start + i] = (symbol >> (7 - wave.depth)) & 1


def _learn(stage: Any, buffer: Symbols, start: int) -> None:
    wave = stage.mixing.wave[0]
    lap(wave, OUTSIDE)
    if stage.runs.state[0].asking > 0:
        learn_runs(stage.runs, stage.canvas, wave, buffer, start)
    else:
        if parts_of(stage.team, wave.lanes) == 1:
            learn_alone(stage.mixing, buffer, start)
        else:
            wave.open = take_bits(stage.mixing, buffer, start)
            if wave.open > 0:
                stage.team[JOB] = LEARN
                share_job(stage, wave.open)
        wave.depth += 1
    lap(wave, profiling.LEARN)
    if wave.depth == 8:
        finish_values(stage)
        wave.depth = BEGINNING
        next_channel(wave)
        lap(wave, profiling.VALUES)
