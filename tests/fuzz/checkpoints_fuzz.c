// Frames, manifests, lineages and the history log, from bytes that nobody vouches for.
//
// Each input is used as it is, as the payload of a frame whose checksum holds, and as a list of changes to a good one: (position, 2 bytes; value, 1 byte)
// each. Nothing may be read or taken beyond its bounds, and what is accepted must be usable and read back the same.
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "checkpoints/manifest_private.h"
#include "checkpoints/repository.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "a", "RWMF", "RWHE\x01", "\x0a\x10" "0123456789abcdef", "\x12\x10" "0123456789abcdef" "\x1a\x10" "fedcba9876543210",
    "\x01\x10" "x" "\x02\x20" "y", "\xba\x01\x10\x0a\x04" "../x" "\x10\x01\x18\x02", "\xba\x01\x02\x0a\x01", "\x40\x10\xff" "\x48\x10\xff", NULL,
};

// ---- what is accepted is usable

static void check_name(const char *name) {
    int depth = 0;
    char copy[2048];
    FUZZ_CHECK(strlen(name) < sizeof(copy) && name[0] != '/' && name[0] != '\0');
    memcpy(copy, name, strlen(name) + 1);
    char *rest = copy;
    for (char *part = strsep(&rest, "/"); part; part = strsep(&rest, "/")) {
        FUZZ_CHECK(part[0] != '\0');
        depth += strcmp(part, "..") == 0 ? -1 : 1;
        FUZZ_CHECK(depth > 0);
    }
}

static void check_manifest(rwd_slice bytes) {
    rwd_checkpoint c, back;
    rwd_error err;
    if (!rwd_manifest_decode(bytes, &c, &err)) {
        FUZZ_CHECK(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT);
        return;
    }
    rwd_buf once = {0}, twice = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < c.file_count; i++) {
        check_name(c.files[i].name);
        FUZZ_CHECK(i == 0 || strcmp(c.files[i - 1].name, c.files[i].name) < 0);
        sum += c.files[i].size;
    }
    FUZZ_CHECK(sum == c.bytes && c.facts.next_offset >= 0 && rwd_checkpoint_id_valid(c.id));
    rwd_manifest_encode(&c, &once);
    FUZZ_CHECK(rwd_manifest_decode(rwd_buf_slice(&once), &back, &err));
    rwd_manifest_encode(&back, &twice);
    FUZZ_CHECK(rwd_slice_equal(rwd_buf_slice(&once), rwd_buf_slice(&twice)));
    rwd_checkpoint_deinit(&c);
    rwd_checkpoint_deinit(&back);
    rwd_buf_deinit(&once);
    rwd_buf_deinit(&twice);
}

static void check_lineage(rwd_slice bytes) {
    rwd_lineage lineage;
    rwd_buf again = {0};
    rwd_error err;
    if (!rwd_lineage_decode(bytes, &lineage, &err)) return;
    rwd_lineage_encode(&lineage, &again);
    FUZZ_CHECK(rwd_slice_equal(rwd_buf_slice(&again), bytes));
    (void)rwd_lineage_history(&lineage, INT64_MAX);
    rwd_buf_deinit(&again);
    rwd_lineage_deinit(&lineage);
}

static void check_frame(rwd_slice bytes) {
    rwd_slice payload;
    size_t size = 0;
    rwd_frame_state state = rwd_frame_read(bytes, "RWMF", 1, &payload, &size);
    FUZZ_CHECK(size <= bytes.size);
    if (state == RWD_FRAME_WHOLE) FUZZ_CHECK(payload.data == bytes.data + RWD_FRAME_HEADER && payload.size + RWD_FRAME_HEADER == size);
    if (state == RWD_FRAME_END) FUZZ_CHECK(bytes.size == 0);
}

// ---- a data directory whose history log is the input

typedef struct directory {
    char path[64];
    rwd_io *io;
    rwd_repo *reader;
    rwd_buf manifest;  // good ones, to be changed
    rwd_buf history;
    rwd_buf lineage;
} directory;

static void must(bool ok) { FUZZ_CHECK(ok); }

static void make_good_ones(directory *d) {
    static const char *const names[] = {"tables/000012.sst", "tables/CURRENT", "tables/MANIFEST-000004"};
    rwd_checkpoint_file files[3];
    for (size_t i = 0; i < 3; i++) files[i] = (rwd_checkpoint_file){(char *)(uintptr_t)names[i], 1000 + i, 4096 * i, {i, 7}};
    rwd_checkpoint c = {.id = "0123456789abcdef", .parent = "fedcba9876543210", .repository = {1, 2}, .term = 3, .sequence = 4, .files = files,
                        .file_count = 3, .build = (char *)(uintptr_t)"0.1.0",
                        .facts = {.next_offset = 100, .frontier = 100, .cursor = rwd_slice_str("cursor"), .reason = "interval"}};
    rwd_manifest_encode(&c, &d->manifest);
    rwd_lineage lineage;
    rwd_lineage_init(&lineage, (rwd_hash128){1, 2}, 5);
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){5, {3, 4}, {5, 6}});
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){500, {7, 8}, {5, 6}});
    rwd_buf value = {0};
    rwd_buf_append_str(&value, "{\"amount\": 1}");
    rwd_lineage_add_amendment(&lineage, (rwd_amendment){.kind = RWD_AMEND_SKIP, .at = 7, .time_us = RWD_TIME_NONE});
    rwd_lineage_add_amendment(&lineage, (rwd_amendment){.kind = RWD_AMEND_INSERT, .at = 7, .has_value = true, .value = value, .time_us = 99});
    rwd_lineage_encode(&lineage, &d->lineage);
    rwd_lineage_deinit(&lineage);
}

static directory *the_directory(void) {
    static directory d;
    if (d.reader) return &d;
    rwd_log_setup(RWD_LOG_SILENT, false);
    snprintf(d.path, sizeof(d.path), "%s", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/checkpoints-fuzz-XXXXXX" : "checkpoints-fuzz-XXXXXX");
    must(mkdtemp(d.path) != NULL);
    rwd_error err;
    rwd_repo *owner = NULL;
    char log[RWD_PATH_MAX];
    must(rwd_io_pread_new(&d.io, &err));
    must(rwd_repo_open_owner(&(rwd_repo_options){d.path, "orders", "0", true}, d.io, rwd_clock_system(), &owner, &err));
    for (int i = 0; i < 3; i++)
        must(rwd_repo_history_append(owner, &(rwd_history_entry){.kind = (char *)(uintptr_t)"restore", .who = (char *)(uintptr_t)"RWHE", .next_offset = i}, &err));
    rwd_repo_close(owner);
    must(rwd_path_join(log, d.path, "history.log", &err) && rwd_read_file(log, 1 << 20, &d.history, &err));
    must(rwd_repo_open_reader(d.path, d.io, rwd_clock_system(), &d.reader, &err));
    make_good_ones(&d);
    return &d;
}

static void clean_up(void) {
    directory *d = the_directory();
    rwd_repo_close(d->reader);
    rwd_io_free(d->io);
    rwd_buf_deinit(&d->manifest);
    rwd_buf_deinit(&d->history);
    rwd_buf_deinit(&d->lineage);
    must(rwd_remove_tree(d->path, NULL));
}

static void check_history(directory *d, rwd_slice bytes) {
    char path[RWD_PATH_MAX];
    rwd_error err;
    rwd_history history;
    must(rwd_path_join(path, d->path, "history.log", &err));
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size);
    close(fd);
    if (!rwd_repo_history_read(d->reader, &history, &err)) {
        FUZZ_CHECK(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT);
        return;
    }
    for (size_t i = 0; i < history.count; i++) FUZZ_CHECK(history.items[i].kind && history.items[i].why);
    rwd_history_deinit(&history);
}

// ---- inputs

static rwd_buf framed(const char magic[4], rwd_slice payload) {
    rwd_buf frame = {0};
    rwd_frame_append(&frame, magic, 1, payload);
    return frame;
}

// `good` from `from` on, with the changes that the input lists.
static rwd_buf changed(rwd_slice good, const uint8_t *data, size_t size) {
    rwd_buf bytes = {0};
    rwd_buf_append_slice(&bytes, good);
    for (size_t i = 0; i + 3 <= size && bytes.size > 0; i += 3) {
        size_t at = (size_t)(data[i] | data[i + 1] << 8);
        if (data[i + 1] == 0xFF) bytes.size = at % bytes.size;  // a truncation
        else bytes.data[at % bytes.size] = data[i + 2];
    }
    return bytes;
}

static rwd_slice body(const rwd_buf *frame) { return rwd_slice_of(frame->data + RWD_FRAME_HEADER, frame->size - RWD_FRAME_HEADER); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool registered;
    directory *d = the_directory();
    rwd_slice input = rwd_slice_of(data, size);
    if (!registered) registered = atexit(clean_up) == 0;
    check_frame(input);
    check_lineage(input);
    check_manifest(input);
    check_history(d, input);
    rwd_buf manifest_body = changed(body(&d->manifest), data, size), lineage = changed(rwd_buf_slice(&d->lineage), data, size);
    rwd_buf history = changed(rwd_buf_slice(&d->history), data, size);
    rwd_buf frames[] = {framed("RWMF", input), framed("RWMF", rwd_buf_slice(&manifest_body)), framed("RWHE", input)};
    check_manifest(rwd_buf_slice(&frames[0]));
    check_manifest(rwd_buf_slice(&frames[1]));
    check_lineage(rwd_buf_slice(&lineage));
    check_history(d, rwd_buf_slice(&frames[2]));
    check_history(d, rwd_buf_slice(&history));
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) rwd_buf_deinit(&frames[i]);
    rwd_buf_deinit(&manifest_body);
    rwd_buf_deinit(&lineage);
    rwd_buf_deinit(&history);
    return 0;
}
