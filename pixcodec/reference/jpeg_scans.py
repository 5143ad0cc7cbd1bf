"""Sections Scans and Huffman tables: coefficients -> the bytes of a scan."""

from __future__ import annotations

import collections

from pixcodec.reference.container import varint
from pixcodec.reference.jpeg_numbers import ORDER


class Oddities:
    """What is odd in a scan."""

    def __init__(self):
        self.ends = None  # blocks before which a run of ends ends
        self.zeros = {}  # of blocks: zero runs after the last coefficient that is not 0


def oddities_of(data, scans):
    """Read the odd scans of a file; return Oddities of all its scans."""
    found, at = [Oddities() for _ in range(scans)], 0

    def number():
        nonlocal at
        value, at = varint(data, at)
        return value

    def increasing(count):
        block, blocks = 0, []
        for _ in range(count):
            block += number()
            blocks.append(block)
        return blocks

    while at < len(data):
        scan, ends = number(), number()
        if ends:
            found[scan].ends = increasing(ends - 1)
        blocks = increasing(number())
        found[scan].zeros = {block: number() for block in blocks}
    return found


class Tokens:
    """What a scan is made of: of each interval, symbols of Huffman tables, and bits as they are.

    A symbol is a pair of a table (class and number) and the symbol, bits are a string.
    """

    def __init__(self, frame, scan, blocks, oddities):
        self.scan, self.oddities = scan, oddities
        self.intervals = []
        self.visited = 0  # blocks
        units = list(self.units(frame, blocks))
        step = scan.interval or len(units)
        for start in range(0, len(units), step):
            self.tokens = []
            self.before = dict.fromkeys(scan.components, 0)  # DC of the block before
            self.run, self.waiting = 0, ""  # of ends of blocks, and correction bits
            for unit in units[start : start + step]:
                for component, numbers, values in unit:
                    self.block(frame.progressive, component, numbers, values)
                    self.visited += 1
            self.end_run()
            self.intervals.append(self.tokens)

    def units(self, frame, blocks):
        """Yield of each unit its blocks: component, numbers of tables, values in the order of the zigzag."""
        parts = list(zip(self.scan.components, self.scan.numbers, strict=True))

        def block(part, r, c):
            return *part, [int(blocks[part[0]][r, c, u, v]) for u, v in ORDER]

        if len(parts) == 1:
            rows, columns = frame.blocks(parts[0][0])
            yield from ([block(parts[0], r, c)] for r in range(rows) for c in range(columns))
            return
        rows, columns = frame.units
        for y in range(rows):
            for x in range(columns):
                yield [
                    block(part, y * frame.vertical[part[0]] + r, x * frame.horizontal[part[0]] + c)
                    for part in parts
                    for r in range(frame.vertical[part[0]])
                    for c in range(frame.horizontal[part[0]])
                ]

    def block(self, progressive, component, numbers, values):
        scan = self.scan
        if self.oddities.ends is not None and self.visited in self.oddities.ends:
            self.end_run()
        if scan.first == 0 and scan.high == 0:
            self.dc(component, numbers[0], values[0] >> scan.low)
        elif scan.first == 0:
            self.tokens.append(str(values[0] >> scan.low & 1))
        table = 1, numbers[1]
        if not progressive:
            self.ac(table, values[1:], runs=False)
        elif scan.last > 0:
            values = values[max(scan.first, 1) : scan.last + 1]
            values = [(abs(v) >> scan.low) * (1 if v >= 0 else -1) for v in values]
            if scan.high == 0:
                self.ac(table, values, runs=True)
            else:
                self.refine(table, values)

    def dc(self, component, number, value):
        off = value - self.before[component]
        self.before[component] = value
        self.symbol((0, number), abs(off).bit_length(), magnitude_bits(off))

    def symbol(self, table, symbol, bits=""):
        self.tokens += [(table, symbol), bits]

    def ac(self, table, values, *, runs):
        """Add AC coefficients; runs of ends are those of progressive scans."""
        zeros = 0
        for value in values:
            if value == 0:
                zeros += 1
                continue
            self.end_run()
            for _ in range(zeros // 16):
                self.symbol(table, 0xF0)
            size = abs(value).bit_length()
            self.symbol(table, 16 * (zeros % 16) + size, magnitude_bits(value))
            zeros = 0
        odd = self.oddities.zeros.get(self.visited, 0)
        if odd:
            self.end_run()
        for _ in range(odd):
            self.symbol(table, 0xF0)
        zeros -= 16 * odd
        assert zeros >= 0
        if zeros and runs:
            self.end(table)
        elif zeros:
            self.symbol(table, 0)

    def refine(self, table, values):
        """Add AC coefficients of which a bit more becomes known."""
        last = max((k for k, value in enumerate(values) if abs(value) == 1), default=-1)
        zeros, corrections = 0, ""
        for k, value in enumerate(values):
            if value == 0:
                zeros += 1
                continue
            while zeros > 15 and k <= last:
                self.end_run()
                self.symbol(table, 0xF0, corrections)
                zeros, corrections = zeros - 16, ""
            if abs(value) > 1:
                corrections += str(abs(value) & 1)
                continue
            self.end_run()
            self.symbol(table, 16 * zeros + 1, ("0" if value < 0 else "1") + corrections)
            zeros, corrections = 0, ""
        if zeros or corrections:
            self.waiting += corrections
            self.end(table)

    def end(self, table):
        """Add the end of a block to the run."""
        self.run, self.table = self.run + 1, table
        full = len(self.waiting) > 937 and self.oddities.ends is None
        if self.run == 32767 or full:
            self.end_run()

    def end_run(self):
        if self.run:
            size = self.run.bit_length() - 1
            bits = f"{self.run:b}"[1:]
            self.symbol(self.table, 16 * size, bits + self.waiting)
        self.run, self.waiting = 0, ""

    def counts(self, table):
        """Return how often the scan has each symbol of a table."""
        symbols = (token for tokens in self.intervals for token in tokens if isinstance(token, tuple))
        return collections.Counter(symbol for key, symbol in symbols if key == table)

    def written(self, tables, last_bits):
        """Return the bytes of the scan; ``last_bits`` takes the bits of each last byte that are left."""
        codes = {key: codes_of(table) for key, table in tables.items()}
        intervals = []
        for tokens in self.intervals:
            bits = "".join(
                codes[token[0]][token[1]] if isinstance(token, tuple) else token for token in tokens
            )
            bits += last_bits(-len(bits) % 8)
            data = bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
            intervals.append(data.replace(b"\xff", b"\xff\0"))
        scan = intervals[0]
        for number, interval in enumerate(intervals[1:]):
            scan += bytes([0xFF, 0xD0 + number % 8]) + interval
        return scan


def magnitude_bits(value):
    """T.81, F.1.2.1: the bits that follow the size of a number."""
    size = abs(value).bit_length()
    return f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else ""


def codes_of(table):
    """Return the codes of a Huffman table by symbol."""
    found, code, at = {}, 0, 16
    for length, count in enumerate(table[:16], 1):
        for _ in range(count):
            found.setdefault(table[at], f"{code:0{length}b}")
            code, at = code + 1, at + 1
        code *= 2
    return found


def best_table(counts):
    """Section Huffman tables: the table that follows from the counts of symbols."""
    groups = {symbol: (count, [symbol]) for symbol, count in counts.items()}
    groups[256] = 1, [256]
    sizes = dict.fromkeys(groups, 0)
    while len(groups) > 1:
        first, second = sorted(groups, key=lambda number: (groups[number][0], -number))[:2]
        count, members = groups.pop(second)
        groups[first] = groups[first][0] + count, groups[first][1] + members
        for symbol in groups[first][1]:
            sizes[symbol] += 1
    lengths = [0] * 33
    for size in sizes.values():
        lengths[size] += 1
    for i in range(32, 16, -1):
        while lengths[i] > 0:
            j = i - 2
            while lengths[j] == 0:
                j -= 1
            lengths[i] -= 2
            lengths[i - 1] += 1
            lengths[j + 1] += 2
            lengths[j] -= 1
    lengths[max(i for i in range(1, 17) if lengths[i])] -= 1
    symbols = sorted(counts, key=lambda symbol: (sizes[symbol], symbol))
    return bytes(lengths[1:17]) + bytes(symbols)
