#!/usr/bin/env python3
"""Prints case_table.c: the simple case mappings of this Python's Unicode data, as runs.

A run is first, last, distance of the mapping, step between its members. Python offers full mappings; where they are longer than one code point, the title case
stands in for the simple upper case if it is one code point, as it is in UnicodeData.txt.
"""
import unicodedata

SIMPLE_LOWER = {0x130: 0x69}   # the only code point whose full lower case is longer


def lower(c):
    return SIMPLE_LOWER.get(c) or ord(chr(c).lower())


def upper(c):
    text = chr(c).upper()
    if len(text) > 1:
        text = chr(c).title()
    return ord(text) if len(text) == 1 else c


def runs(mapping):
    found = []
    for c in range(0x80, 0x110000):
        if 0xD800 <= c < 0xE000 or mapping(c) == c:
            continue
        delta = mapping(c) - c
        if found and found[-1][2] == delta:
            first, last, _, step = found[-1]
            if first == last and c - last <= 2:
                found[-1] = [first, c, delta, c - last]
                continue
            if c - last == step:
                found[-1][1] = c
                continue
        found.append([c, c, delta, 1])
    return found


print(f"""\
// Simple case mappings of Unicode {unicodedata.unidata_version}, beyond ASCII. Printed by case_table.py; the answers of an expression rest on this
// table, so a newer one is a new meaning of the step.
#include "operator/expr/text_private.h"
""")
for name, mapping in (("lower", lower), ("upper", upper)):
    rows = runs(mapping)
    print(f"const rwd_case_run rwd_{name}_runs[] = {{")
    line = "   "
    for first, last, delta, step in rows:
        cell = f" {{0x{first:X}, 0x{last:X}, {delta}, {step}}},"
        if len(line + cell) > 150:
            print(line)
            line = "   "
        line += cell
    print(line)
    print(f"}};\nconst size_t rwd_{name}_run_count = sizeof(rwd_{name}_runs) / sizeof(rwd_{name}_runs[0]);")
