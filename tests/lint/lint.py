#!/usr/bin/env python3
"""Rules of the source tree that the compiler does not know.

The tables below are the rules: which file may include which vendor header, which room may include which, what may stand at
the top of the tree, which variables may change while the program runs. Each rule is a function that yields findings.

    lint.py --root DIR [--build DIR] [LIBRARY.a ...]   checks the tree; headers and libraries only with --build and libraries
    lint.py --self-test                                feeds every rule a tree that breaks it, and one that does not

Exit code 0: clean. 1: findings, one a line. 2: the command line.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

Finding = collections.namedtuple("Finding", "rule path line text")

# ---------------------------------------------------------------------------------------------- tables

# Vendor header (a pattern of what stands between the brackets) -> the only files or folders that may include it.
DOORS = [
    (r"librdkafka/.*|rdkafka\.h", ["operator/kafka/", "tests/support/mock_cluster.c", "tests/unit/kafka_errors_test.c", "tests/bench/kafka_bare.c"]),
    (r"rocksdb/.*", ["state/store.c"]),
    (r"liburing\.h|liburing/.*|linux/io_uring\.h", ["checkpoints/io/ring.c"]),
    (r"simdjson\.h", ["operator/logic/json_index.cpp", "tests/bench/decode_bare.cpp"]),
    (r"microhttpd\.h", ["operator/http/http.c"]),
    (r"yaml\.h", ["operator/config/yaml.c"]),
    (r"xxhash\.h|xxh3\.h", ["operator/base/hash.c"]),
    (r"sqlite3\.h", []),
    (r"sodium\.h|sodium/.*", []),
    (r"curl/.*", []),
    (r"lz4.*\.h", ["checkpoints/journal/codec.c"]),
    (r"zstd.*\.h", ["checkpoints/journal/codec.c"]),
    (r"dlfcn\.h", ["operator/plugin/plugin.c", "tests/bench/count_calls.c"]),
    (r"jemalloc/.*", []),
    (r"protobuf-c/.*", ["proto/"]),
    (r"cmocka\.h", ["tests/"]),
]

# The formats that outlive a process: who may see the generated types.
GENERATED = (r"proto/.*\.pb-c\.h", ["proto/", "checkpoints/", "operator/sink/", "operator/admin/", "operator/repair/corrections_file.c", "operator/repair/repair_plan.c", "operator/pipeline/switch.c", "operator/pipeline/dead_changes.c", "tests/"])

# Room -> the rooms whose headers it may include, besides its own. Read it from the floor up.
ROOMS = {
    "operator/base": [],
    "proto": ["operator/base"],
    "state": ["operator/base", "proto"],
    "checkpoints": ["operator/base", "proto"],
    "operator/kafka": ["operator/base"],
    "operator/plugin": ["operator/base", "state"],
    "operator/expr": ["operator/base", "state"],
    "operator/config": ["operator/base", "proto", "state", "checkpoints", "operator/kafka", "operator/plugin", "operator/expr"],
    "operator/source": ["operator/base", "checkpoints", "operator/kafka", "operator/config"],
    "operator/logic": ["operator/base", "state", "operator/plugin", "operator/expr", "operator/config", "operator/source"],
    "operator/sink": ["operator/base", "proto", "state", "checkpoints", "operator/kafka", "operator/plugin", "operator/expr", "operator/config"],
    "operator/repair": ["operator/base", "proto", "state", "checkpoints", "operator/config", "operator/sink"],
    "operator/pipeline": ["operator/base", "proto", "state", "checkpoints", "operator/kafka", "operator/plugin", "operator/expr", "operator/config", "operator/source", "operator/logic",
                          "operator/sink", "operator/repair"],
    "operator/admin": ["operator/base", "proto", "checkpoints", "state", "operator/config", "operator/pipeline"],
    "operator/http": ["operator/base", "operator/pipeline"],
    "operator/cli": ["operator/base", "proto", "state", "checkpoints", "operator/kafka", "operator/plugin", "operator/expr", "operator/config", "operator/source", "operator/logic",
                     "operator/sink", "operator/repair", "operator/pipeline", "operator/admin", "operator/http"],
}

# The step is pure (no clock, randomness, I/O or locale): what its room may not include, except for a file named here.
PURE_ROOMS = ["operator/logic", "operator/expr"]
IMPURE = r"time\.h|sys/time\.h|locale\.h|unistd\.h|fcntl\.h|stdio\.h|sys/(stat|random|socket)\.h|pthread\.h|operator/base/(clock|fs|log)\.h"

TOP_LEVEL = ["CMakeLists.txt", "CMakePresets.json", "README.md", "ARCHITECTURE.md", "LICENSE", "operator", "state", "proto",
             "checkpoints", "deploy", "tests"]

# Variables that change while the program runs and belong to no object: (object file, symbol) with the reason.
MUTABLE = {
    ("log.c", "log_settings"): "set once before threads start; its one flag is atomic",
    ("clock.c", "system_clock"): "a table of functions, never written",
    ("guard.c", "guards"): "what each thread is doing inside plugins: a signal handler has nothing else to ask",
    ("guard.c", "mine"): "a thread's own one of them",
    ("guard.c", "installed"): "pthread_once",
    ("guard.c", "leaving"): "made once",
    ("guard.c", "before"): "the signal handlers that were there, written once",
    ("crash_point.c", "rwd_crash_points_armed"): "armed once by a test, before threads start",
    ("crash_point.c", "armed_point"): "armed once by a test, before threads start",
    ("crash_point.c", "passings_left"): "atomic count-down of an armed crash point",
}

BANNED_WORDS = ["TO" + "DO", "FIX" + "ME", "X" * 3]
BANNED_CALLS = r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|alloca|setlocale|rand|srand|localtime|gmtime|ctime)\s*\("
HOME_PATHS = r"(?<![\w.~/}-])/(root|home|work)(/|\b(?=[\s\"'`,;:)]|$))"
LINE_MAX = 200
TEXT_SUFFIXES = (".c", ".h", ".cpp", ".hpp", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".proto", ".toml", ".desc.in")
CODE_SUFFIXES = (".c", ".h", ".cpp", ".hpp")
NOT_OURS = ["LICENSE", "tests/golden/"]  # texts that are as they have to be

# ---------------------------------------------------------------------------------------------- the tree


class Tree:
    """The files of a source tree, read once."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(self._list())
        self._lines = {}

    def _list(self):
        command = ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        if os.path.exists(os.path.join(self.root, ".git")):
            try:
                listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
                return [p for p in listed.split("\0") if p and os.path.isfile(os.path.join(self.root, p))]
            except (OSError, subprocess.CalledProcessError):
                pass  # a tree without its history: look at the files
        found = []
        for folder, folders, files in os.walk(self.root):
            top = os.path.relpath(folder, self.root) == "."
            folders[:] = [f for f in folders if f not in (".git", "__pycache__") and not (top and f == "build")]
            found += [os.path.relpath(os.path.join(folder, f), self.root) for f in files]
        return found

    def lines(self, path):
        if path not in self._lines:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="surrogateescape", newline="") as file:
                text = file.read()
            self._lines[path] = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
        return self._lines[path]

    def code(self):
        return [p for p in self.paths if p.endswith(CODE_SUFFIXES) and p.split("/")[0] != "deploy"]

    def headers(self):
        return [p for p in self.code() if p.endswith(".h")]

    def text(self):
        def is_text(path):
            name = os.path.basename(path)
            return not allowed_by(path, NOT_OURS) and (path.endswith(TEXT_SUFFIXES) or "." not in name)
        return [p for p in self.paths if is_text(p) and not self._is_binary(p)]

    def _is_binary(self, path):
        with open(os.path.join(self.root, path), "rb") as file:
            return b"\0" in file.read(4096)

    def includes(self, path):
        """(line number, what is included, whether in quotes)"""
        for number, line in enumerate(self.lines(path), 1):
            match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
            if match:
                yield number, match.group(2), match.group(1) == '"'


def room_of(path):
    best = [room for room in ROOMS if path.startswith(room + "/")]
    return max(best, key=len) if best else None


def allowed_by(path, places):
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


# ---------------------------------------------------------------------------------------------- rules


def rule_doors(tree):
    """A vendor header is included by its door only."""
    for path in tree.code():
        for number, name, _ in tree.includes(path):
            for pattern, doors in DOORS:
                if re.fullmatch(pattern, name) and not allowed_by(path, doors):
                    yield Finding("door", path, number, f"<{name}> may be included by {' or '.join(doors) or 'nobody'} only")
            pattern, readers = GENERATED
            if re.fullmatch(pattern, name) and not allowed_by(path, readers):
                yield Finding("door", path, number, f"{name}: generated types stay in {', '.join(readers)}")


def rule_directions(tree):
    """Rooms include downwards only; private headers stay in their folder (tests may look inside); nothing of ours is included by a
    relative path."""
    known = set(tree.paths)
    for path in tree.code():
        room = room_of(path)
        for number, name, quoted in tree.includes(path):
            if not quoted:
                continue
            if name not in known and not name.startswith("proto/") and name != "rwd_build_id.h":
                yield Finding("include", path, number, f'"{name}" is not a path from the root of the tree')
            inside = os.path.dirname(name) == os.path.dirname(path) or path.startswith("tests/")
            if re.search(r"_private\.hp*$", name) and not inside:
                yield Finding("private", path, number, f"{name} stays in its folder")
            target = room_of(name)
            if name.startswith("tests/") and room:
                yield Finding("direction", path, number, f"{room} includes a test's header, {name}")
            if room and target and target != room and target not in ROOMS[room]:
                yield Finding("direction", path, number, f"{room} may not include {name}")


def rule_rooms_have_no_cycle(rooms):
    """The table of rooms is a ladder: a room stands only on rooms that were named before it."""
    seen = []
    for room, below in rooms.items():
        for target in below:
            if target not in seen:
                yield Finding("table", "tests/lint/lint.py", 0, f"{room} stands on {target}, which is not below it")
        seen.append(room)


def rule_pure_step(tree):
    """The room of the step includes nothing that knows the time, the locale or the outside world."""
    for path in tree.code():
        if room_of(path) not in PURE_ROOMS:
            continue
        for number, name, _ in tree.includes(path):
            if re.fullmatch(IMPURE, name):
                yield Finding("pure", path, number, f"the step is pure and does not include {name}")


def rule_text(tree):
    """No tabs, trailing blanks, carriage returns, notes to self, home folders; lines end, and are not endless."""
    words = re.compile(r"\b(" + "|".join(BANNED_WORDS) + r")\b")
    homes = re.compile(HOME_PATHS)
    for path in tree.text():
        lines = tree.lines(path)
        for number, line in enumerate(lines, 1):
            if "\t" in line:
                yield Finding("text", path, number, "a tab")
            if line.rstrip() != line:
                yield Finding("text", path, number, "blanks at the end of the line")
            if words.search(line):
                yield Finding("text", path, number, f"a note to self ({words.search(line).group(0)})")
            if homes.search(line):
                yield Finding("text", path, number, "an absolute path of somebody's machine")
            if path.endswith(CODE_SUFFIXES) and len(line) > LINE_MAX:
                yield Finding("text", path, number, f"{len(line)} columns, more than {LINE_MAX}")


def rule_calls(tree):
    """Functions that nobody should call: unbounded, with hidden state, or that read the locale."""
    calls = re.compile(BANNED_CALLS)
    for path in tree.code():
        if not room_of(path):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = calls.search(re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0]))
            if match:
                yield Finding("call", path, number, f"{match.group(1)}() is not used here")


def rule_no_ndebug(tree):
    """Assertions stay on: nobody defines NDEBUG."""
    for path in tree.paths:
        if path.endswith((".cmake", "CMakeLists.txt", ".json")):
            for number, line in enumerate(tree.lines(path), 1):
                if re.search(r"-D\s*NDEBUG", line):
                    yield Finding("assert", path, number, "assertions stay on in every build")


def rule_top_level(tree):
    """Only the rooms and a few named files stand at the top; no build logic lives in a folder of its own."""
    for path in tree.paths:
        top = path.split("/")[0]
        if top not in TOP_LEVEL and not top.startswith("."):
            yield Finding("top", path, 0, f"'{top}' does not belong at the top of the tree")


def rule_listed(tree):
    """Each source is named by the build: a file that nobody compiles, or a test that nobody runs, is found."""
    lists = [p for p in tree.paths if p.endswith((".cmake", "CMakeLists.txt")) or re.fullmatch(r"tests/\w+/run", p)]
    words = {p: {word.lstrip("/") for line in tree.lines(p) for word in re.findall(r"[\w./-]+", line.split("#")[0])} for p in lists}
    # "${some_folder}/file.c": what the variable holds is not known here, so the tail decides.
    tails = {tail for p in lists for line in tree.lines(p) for tail in re.findall(r"\}/([\w./-]+)", line.split("#")[0])}
    for path in tree.code():
        if not path.endswith((".c", ".cpp")) or not (room_of(path) or path.startswith("tests/")):
            continue
        named = any(path.endswith("/" + tail) for tail in tails)
        for place, names in words.items():
            folder = os.path.dirname(place)
            below = path[len(folder) + 1:] if folder and path.startswith(folder + "/") else path
            named = named or below in names
        if not named:
            yield Finding("listed", path, 0, "nothing that builds names it")


def rule_header_words(tree):
    """A public header says who may call it from which thread; its guard is its path; it begins with a comment."""
    for path in tree.headers():
        lines = tree.lines(path)
        guard = re.sub(r"[^A-Z0-9]", "_", path.upper())
        if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines:
            yield Finding("header", path, 1, f"has to be guarded by {guard}")
        if not lines or not lines[0].startswith("//"):
            yield Finding("header", path, 1, "begins without saying what it is for")
        is_private = path.endswith("_private.h") or path.startswith("tests/")
        if not is_private and not any(re.match(r"\s*//\s*Thread:", line) for line in lines):
            yield Finding("header", path, 1, "has no 'Thread:' line")


def declarations(lines):
    """(line number, name) of the functions that a header declares at its outermost level."""
    pattern = re.compile(r"^(?!#|//|typedef|return|\s|\})[\w\s*(),]*?\b\**(rwd_\w+)\(")
    for number, line in enumerate(lines, 1):
        match = pattern.match(line)
        if match and not re.match(r"^(_Static_assert|extern \"C\")", line):
            yield number, match.group(1)


def blocks(lines):
    """(first line number, lines) of the runs of lines without an empty one."""
    start = None
    for number, line in enumerate(lines + [""], 1):
        if line.strip() and start is None:
            start = number
        elif not line.strip() and start is not None:
            yield start, lines[start - 1:number - 1]
            start = None


def rule_documented(tree):
    """A function in a public header belongs to a commented group: its block of lines holds a comment, or follows the commented
    type that the functions work on."""
    for path in tree.headers():
        if path.endswith("_private.h") or not room_of(path):
            continue
        type_before = False
        for start, block in blocks(tree.lines(path)):
            commented = any("//" in line for line in block)
            found = list(declarations(block))
            if found and not commented and not type_before:
                for number, name in found:
                    yield Finding("document", path, start + number - 1, f"{name} and its group have no comment")
            if not found:
                type_before = commented and any(re.match(r"(typedef|struct|enum|union)\b", line) for line in block)


def compile_flags(build, root):
    """Folder -> the flags that its C files are compiled with."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    flags = {}
    for command in commands:
        path = os.path.relpath(command["file"], root)
        if not path.endswith(".c") or path.startswith(".."):
            continue
        words = shlex.split(command["command"])
        kept = [w for w in words[1:] if re.match(r"-(D|I|W|std=|march|O|m|f)", w)]
        for at, word in enumerate(words):
            if word == "-isystem":
                kept += ["-isystem", words[at + 1]]
        flags.setdefault(os.path.dirname(path), [words[0]] + kept)
    return flags


def compile_header(root, path, command):
    # Twice: the guard has to work.
    source = f'#include "{path}"\n#include "{path}"\n'
    result = subprocess.run(command + ["-fsyntax-only", "-x", "c", "-"], input=source, capture_output=True, text=True, cwd=root,
                            check=False)
    if result.returncode != 0:
        first = next((line for line in result.stderr.split("\n") if "error" in line), result.stderr.strip())
        return Finding("alone", path, 1, f"does not compile alone: {first}")
    return None


def rule_headers_compile_alone(tree, build):
    """Each header brings all that it needs."""
    flags = compile_flags(build, tree.root)

    def command_for(path):
        folder = os.path.dirname(path)
        while folder and folder not in flags:
            folder = os.path.dirname(folder)
        # A header that stands where no C file is compiled gets what everybody has.
        return flags.get(folder) or flags.get("operator/base") or next(iter(flags.values()))

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        jobs = [pool.submit(compile_header, tree.root, path, command_for(path)) for path in tree.headers()]
        for job in jobs:
            if job.result():
                yield job.result()


def mutable_symbols(library):
    """(object file, symbol) of what the library keeps in writable memory."""
    listing = subprocess.run(["nm", "--format=sysv", library], capture_output=True, text=True, check=True).stdout
    member = ""
    for line in listing.split("\n"):
        match = re.match(r"Symbols from .*\[(.*)\.o\]:", line)
        if match:
            member = match.group(1)
        columns = [column.strip() for column in line.split("|")]
        if len(columns) < 7:
            continue
        name, kind, section = columns[0], columns[2], columns[6].split("\t")[0].strip()
        writable = re.match(r"\.(data|bss|tdata|tbss)|COM$|\*COM\*", section) and not section.startswith(".data.rel.ro")
        # Marks of the sanitizers and of the compiler begin with two underscores or a point.
        if writable and kind not in "nN" and not name.startswith(("__", ".", "_ZGV")):
            yield member, re.sub(r"\.\d+$", "", name)


def rule_mutable_globals(libraries, allowed):
    """State belongs to objects: no variable of file or program scope changes, except the few in the table."""
    for library in libraries:
        for member, name in mutable_symbols(library):
            if (member, name) not in allowed:
                yield Finding("global", f"{os.path.basename(library)}:{member}", 0, f"'{name}' is a variable that no object owns")


def check(root, build, libraries):
    tree = Tree(root)
    findings = list(rule_rooms_have_no_cycle(ROOMS))
    for rule in (rule_doors, rule_directions, rule_pure_step, rule_text, rule_calls, rule_no_ndebug, rule_top_level, rule_listed,
                 rule_header_words, rule_documented):
        findings += rule(tree)
    if build:
        findings += rule_headers_compile_alone(tree, build)
    findings += rule_mutable_globals(libraries, MUTABLE)
    return findings


# ---------------------------------------------------------------------------------------------- self-test

CLEAN_HEADER = """// A thing.
//
// Thread: any.
#ifndef STATE_THING_H
#define STATE_THING_H

#include <stdint.h>

#include "operator/base/error.h"

// Gives the number of a thing.
int64_t rwd_thing_number(void);
int64_t rwd_thing_other(void);

int64_t rwd_thing_third(void);  // behind it

#endif
"""

CLEAN = {
    "CMakeLists.txt": "project(x)\n",
    "operator/base/CMakeLists.txt": "rwd_room(rwd_base SOURCES hash.c log.c)\n",
    "operator/config/CMakeLists.txt": "rwd_room(rwd_config SOURCES yaml.c check.c)\n",
    "operator/logic/CMakeLists.txt": "rwd_room(rwd_logic SOURCES decode.c step.c)\n",
    "operator/sink/CMakeLists.txt": "rwd_room(rwd_sink SOURCES file.c)\n",
    "checkpoints/CMakeLists.txt": "rwd_room(rwd_checkpoints SOURCES repository.c)\n",
    "state/CMakeLists.txt": "rwd_room(rwd_state SOURCES thing.c inner/other.c) # forgotten.c\n",
    "tests/unit/state.cmake": "rwd_test(state_thing_test SOURCES state_thing_test.c LIBS rwd_state)\n",
    "LICENSE": "text with a\ttab\n",
    "tests/golden/job/tab.yaml": "a:\tb\n",
    "operator/base/error.h": CLEAN_HEADER.replace("STATE_THING_H", "OPERATOR_BASE_ERROR_H").replace(
        '#include "operator/base/error.h"\n\n', "").replace("thing", "error"),
    "operator/base/hash.c": "#include <xxhash.h>\n",
    "state/thing.h": CLEAN_HEADER,
    "state/thing.c": '#include "state/thing.h"\n#include "state/thing_private.h"\n',
    "state/thing_private.h": "// Inside.\n#ifndef STATE_THING_PRIVATE_H\n#define STATE_THING_PRIVATE_H\n#endif\n",
    "operator/config/yaml.c": "#include <yaml.h>\n",
    "tests/support/x.h": "// A test's.\n#ifndef TESTS_SUPPORT_X_H\n#define TESTS_SUPPORT_X_H\n#endif\n",
    "tests/unit/state_thing_test.c": '#include <cmocka.h>\n#include "state/thing.h"\n#include "state/thing_private.h"\n',
    "README.md": 'see /usr/bin/env, ~/work, XXH3, mkdtemp("/tmp/x-XXXXXX") and https://example.org/home/x\n',
}

# rule, path, text that replaces or makes the file, what has to be found (a part of its text)
BREAKS = [
    ("door", "state/thing.c", "#include <rdkafka.h>\n", "rdkafka"),
    ("door", "state/thing.c", "#include <librdkafka/rdkafka.h>\n", "operator/kafka/"),
    ("door", "operator/sink/file.c", "#include <rocksdb/c.h>\n", "state/store.c"),
    ("door", "checkpoints/repository.c", "#include <liburing.h>\n", "checkpoints/io/ring.c"),
    ("door", "operator/logic/decode.c", "  #  include <simdjson.h>\n", "json_index"),
    ("door", "operator/base/log.c", "#include <microhttpd.h>\n", "http"),
    ("door", "operator/config/check.c", "#include <yaml.h>\n", "yaml.c"),
    ("door", "state/thing.c", "#include <xxhash.h>\n", "hash.c"),
    ("door", "state/thing.c", "#include <sqlite3.h>\n", "sqlite3"),
    ("door", "state/thing.c", "#include <sodium.h>\n", "sodium"),
    ("door", "state/thing.c", "#include <curl/curl.h>\n", "curl"),
    ("door", "state/thing.c", "#include <lz4frame.h>\n", "lz4"),
    ("door", "state/thing.c", "#include <zstd.h>\n", "zstd"),
    ("door", "state/thing.c", "#include <protobuf-c/protobuf-c.h>\n", "proto/"),
    ("door", "state/thing.c", '#include "proto/manifest.pb-c.h"\n', "generated"),
    ("door", "state/thing.c", "#include <cmocka.h>\n", "tests/"),
    ("door", "state/thing.c", "#include <dlfcn.h>\n", "plugin.c"),
    ("direction", "operator/base/log.c", '#include "state/thing.h"\n', "operator/base may not"),
    ("direction", "checkpoints/repository.c", '#include "state/thing.h"\n', "checkpoints may not"),
    ("direction", "state/thing.h", CLEAN_HEADER.replace("operator/base/error.h", "tests/support/x.h"), "test's header"),
    ("include", "state/thing.c", '#include "thing.h"\n', "not a path"),
    ("include", "state/thing.c", '#include "../operator/base/error.h"\n', "not a path"),
    ("private", "operator/logic/step.c", '#include "state/thing_private.h"\n', "stays"),
    ("private", "state/inner/other.c", '#include "state/thing_private.h"\n', "stays"),
    ("pure", "operator/logic/step.c", "#include <time.h>\n", "time.h"),
    ("pure", "operator/logic/step.c", "#include <locale.h>\n", "locale.h"),
    ("text", "state/thing.c", "int\tx;\n", "tab"),
    ("text", "README.md", "word \n", "blanks"),
    ("text", "README.md", "word\r\n", "blanks"),
    ("text", "state/thing.c", f"// {BANNED_WORDS[0]}: later\n", "note"),
    ("text", "state/thing.c", f"// {BANNED_WORDS[1]}\n", "note"),
    ("text", "deploy/quickstart", f"# {BANNED_WORDS[2]} here\n", "note"),
    ("text", "deploy/quickstart", "cd " + "/ho" + "me/me\n", "absolute"),
    ("text", "tests/run", "ls '" + "/ro" + "ot'\n", "absolute"),
    ("text", "README.md", "in " + "/wo" + "rk/main\n", "absolute"),
    ("text", "state/thing.c", "//" + "x" * 200 + "\n", "columns"),
    ("call", "state/thing.c", "    sprintf(out, x);\n", "sprintf"),
    ("call", "state/thing.c", "    int x = atoi (text);\n", "atoi"),
    ("assert", "state/flags.cmake", "add_compile_options(-DNDEBUG)\n", "assertions"),
    ("listed", "state/forgotten.c", "int x;\n", "builds names it"),
    ("listed", "tests/unit/state_other_test.c", "int x;\n", "builds names it"),
    ("top", "cmake/flags.cmake", "x\n", "cmake"),
    ("top", "notes.md", "x\n", "notes.md"),
    ("header", "state/thing.h", CLEAN_HEADER.replace("// Thread: any.", "// For any."), "Thread:"),
    ("header", "state/thing.h", CLEAN_HEADER.replace("STATE_THING_H", "THING_H"), "guarded"),
    ("header", "state/thing.h", CLEAN_HEADER[len("// A thing.\n//\n"):].replace("// Thread", "\n// Thread"), "what it is for"),
    ("document", "state/thing.h", CLEAN_HEADER.replace("// Gives the number of a thing.\n", ""), "rwd_thing_number"),
    ("document", "state/thing.h", CLEAN_HEADER.replace("  // behind it", ""), "rwd_thing_third"),
    ("document", "state/thing.h", CLEAN_HEADER.replace("// Gives", "typedef int rwd_thing;\n\n// Gives").replace("// Gives the number of "
     "a thing.\n", ""), "rwd_thing_number"),
]


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def findings_of(files):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        return check(root, None, [])


def self_test_rules():
    for finding in findings_of(CLEAN):
        yield f"the clean tree: {finding}"
    for rule, path, text, part in BREAKS:
        findings = findings_of({**CLEAN, path: text})
        if not any(f.rule == rule and f.path == path and part in f.text for f in findings):
            yield f"'{rule}' does not see {path}: {text!r}; found {findings}"
        for finding in findings:
            if finding.rule != rule:
                yield f"{path}: {text!r}: '{rule}' was broken, but also found {finding}"
    if not list(rule_rooms_have_no_cycle({"a": ["b"], "b": ["a"]})):
        yield "a cycle of rooms is not seen"


def self_test_headers():
    lacking = CLEAN_HEADER.replace("#include <stdint.h>\n", "").replace('#include "operator/base/error.h"\n', "")
    unguarded = "// A thing.\nstruct rwd_thing { int x; };\n"
    for text, wanted in ((CLEAN_HEADER, 0), (lacking, 1), (unguarded, 1)):
        files = {**CLEAN, "state/thing.h": text}
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, files)
            command = [{"file": os.path.join(root, "state/thing.c"), "directory": root, "command": f"cc -I{root} -Wall -Werror -c x.c"}]
            with open(os.path.join(root, "compile_commands.json"), "w", encoding="utf-8") as file:
                json.dump(command, file)
            findings = [f for f in rule_headers_compile_alone(Tree(root), root) if f.path == "state/thing.h"]
        if len(findings) != wanted:
            yield f"compiling alone: {wanted} findings wanted for {text!r}, {findings}"


def self_test_globals():
    source = """static const char *const names[] = {"a"}; static int hidden; int shown = 3; static __thread int own; const int fixed = 1;
int f(void); int f(void) { static int inside; return inside++ + hidden++ + own++ + names[0][0] + fixed; }
"""
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, {"a.c": source})
        subprocess.run(["cc", "-fPIC", "-c", "a.c", "-o", "a.c.o"], cwd=root, check=True)
        subprocess.run(["ar", "rc", "liba.a", "a.c.o"], cwd=root, check=True)
        library = os.path.join(root, "liba.a")
        found = sorted(re.search(r"'(.*)'", f.text).group(1) for f in rule_mutable_globals([library], {("a.c", "shown"): ""}))
    if found != ["hidden", "inside", "own"]:
        yield f"mutable variables found: {found}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=".", help="top of the source tree")
    parser.add_argument("--build", help="build folder with compile_commands.json")
    parser.add_argument("--self-test", action="store_true", help="test the rules themselves")
    parser.add_argument("libraries", nargs="*", help="static libraries of the rooms")
    options = parser.parse_args()
    if options.self_test:
        failures = [*self_test_rules(), *self_test_headers(), *self_test_globals()]
        for failure in failures:
            print(failure)
        print(f"{len(BREAKS)} broken trees, {len(failures)} failures")
        return 1 if failures else 0
    findings = check(os.path.abspath(options.root), options.build, options.libraries)
    for finding in sorted(findings):
        where = f"{finding.path}:{finding.line}" if finding.line else finding.path
        print(f"{where}: [{finding.rule}] {finding.text}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
