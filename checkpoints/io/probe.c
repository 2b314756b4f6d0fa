// The trial of a tier (probe.h).
//
// What must stay true: the trial leaves nothing behind, even if it is killed: its file has no name.
#include "checkpoints/io/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoints/io/engine_private.h"
#include "checkpoints/io/queue.h"
#include "operator/base/fs.h"

#define TRIAL_DEPTH 4u
#define TRIAL_BLOCK ((size_t)4096)

// ---- the file

static int open_named(const char *dir) {
    char path[RWD_PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/.rewind-io-XXXXXX", dir) >= (int)sizeof(path)) return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) (void)unlink(path);
    return fd;
}

static int open_trial_file(const char *dir) {
    char path[RWD_PATH_MAX], up[RWD_PATH_MAX];
    if (strlen(dir) >= sizeof(path)) return -1;
    memcpy(path, dir, strlen(dir) + 1);
    while (!rwd_path_exists(path) && strcmp(path, ".") != 0 && strcmp(path, "/") != 0) {
        rwd_path_dir(up, path);
        memcpy(path, up, sizeof(path));
    }
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) fd = open_named(path);  // a file system without O_TMPFILE
    return fd >= 0 ? fd : memfd_create("rewind-io", MFD_CLOEXEC);
}

// ---- the trial

typedef struct trial {
    rwd_io_queue *queue;
    int fd;
    uint8_t *own[2];     // memory that is in no pool
    uint8_t *pooled[2];
    char *why;
} trial;

static bool refuse(trial *t, const char *what, int system_error) {
    const char *words = strerrordesc_np(system_error);
    (void)snprintf(t->why, RWD_IO_REASON_MAX, "%s: %s", what, words ? words : "an unknown error");
    return false;
}

// Two operations of a kind at once, one with the pool's memory and one with other.
static bool both(trial *t, rwd_io_kind kind, unsigned turn, const char *what) {
    rwd_io_op ops[2] = {
        {.kind = kind, .fd = t->fd, .data = t->pooled[turn], .size = TRIAL_BLOCK, .offset = 0},
        {.kind = kind, .fd = t->fd, .data = t->own[turn], .size = TRIAL_BLOCK, .offset = TRIAL_BLOCK},
    };
    rwd_io_op *both[2] = {&ops[0], &ops[1]};
    rwd_io_submit(t->queue, both, 2);
    rwd_io_drain(t->queue);
    for (size_t i = 0; i < 2; i++) {
        if (ops[i].result < 0) return refuse(t, what, (int)-ops[i].result);
        if ((size_t)ops[i].result != TRIAL_BLOCK) return refuse(t, what, EIO);
    }
    return true;
}

static bool sync_trial(trial *t) {
    rwd_io_op op = {.kind = RWD_IO_FDATASYNC, .fd = t->fd}, *one = &op;
    rwd_io_submit(t->queue, &one, 1);
    rwd_io_drain(t->queue);
    return op.result == 0 || refuse(t, "sync", (int)-op.result);
}

static bool write_sync_read(trial *t) {
    for (size_t i = 0; i < TRIAL_BLOCK; i++) t->pooled[0][i] = (uint8_t)(i * 7), t->own[0][i] = (uint8_t)(i * 13 + 1);
    memset(t->pooled[1], 0, TRIAL_BLOCK);
    memset(t->own[1], 0, TRIAL_BLOCK);
    if (!both(t, RWD_IO_WRITE, 0, "write") || !sync_trial(t) || !both(t, RWD_IO_READ, 1, "read")) return false;
    if (memcmp(t->pooled[0], t->pooled[1], TRIAL_BLOCK) == 0 && memcmp(t->own[0], t->own[1], TRIAL_BLOCK) == 0) return true;
    (void)snprintf(t->why, RWD_IO_REASON_MAX, "what was read is not what was written");
    return false;
}

// The pool is as large as all queues together may register, so that the limit is met now.
static bool try_queue(trial *t, rwd_io *io) {
    rwd_io_queue_options options = {.depth = TRIAL_DEPTH, .buffer_count = 2, .buffer_size = RWD_IO_REGISTERED_MAX / 2};
    rwd_error err;
    int refused = 0;
    if (!rwd_io_queue_open(io, &options, &t->queue, &err)) {
        (void)snprintf(t->why, RWD_IO_REASON_MAX, "%.*s", RWD_IO_REASON_MAX - 1, err.cause);
        return false;
    }
    bool works = rwd_io_queue_tier(t->queue, &refused) == io->tier || refuse(t, "register memory", refused);
    for (size_t i = 0; i < 2; i++) t->pooled[i] = rwd_io_buffer_take(t->queue);
    works = works && write_sync_read(t);
    rwd_io_queue_close(t->queue);
    return works;
}

static bool try_tier(rwd_io *io, const char *dir, char *why) {
    trial t = {.fd = open_trial_file(dir), .why = why};
    if (t.fd < 0) return refuse(&t, "a file to try it on", errno);
    uint8_t *memory = rwd_malloc(2 * TRIAL_BLOCK);
    t.own[0] = memory;
    t.own[1] = memory + TRIAL_BLOCK;
    bool works = try_queue(&t, io);
    free(memory);
    (void)close(t.fd);
    return works;
}

// ---- the choice

static bool cannot_have(const rwd_io_probe *probe, rwd_io_tier wanted, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_RESOURCE, "the io tier %s was asked for and does not work here (%s)", rwd_io_tier_name(wanted), probe->refused[wanted]);
    return rwd_error_next(err, "rewind doctor shows what works; --io auto takes the best of it");
}

bool rwd_io_new(const char *dir, rwd_io_tier wanted, rwd_io **out, rwd_io_probe *out_probe, rwd_error *err) {
    rwd_io_probe own, *probe = out_probe ? out_probe : &own;
    *probe = (rwd_io_probe){.forced = wanted != RWD_IO_TIER_AUTO};
    rwd_io_tier best = probe->forced ? wanted : RWD_IO_TIER_COUNT - 1, least = probe->forced ? wanted : RWD_IO_TIER_PREAD;
    for (rwd_io_tier tier = best; tier >= least; tier--) {
        rwd_io *io = rwd_io_of_tier(tier);
        // Nothing is below pread: what a broken disk says there is for those who use it to tell.
        if (tier == RWD_IO_TIER_PREAD || try_tier(io, dir, probe->refused[tier])) {
            probe->tier = tier;
            io->reads = io->writes = io->syncs = io->bytes_read = io->bytes_written = 0;  // the trial's
            *out = io;
            return true;
        }
        rwd_io_free(io);
    }
    return cannot_have(probe, wanted, err);
}

void rwd_io_probe_text(const rwd_io_probe *probe, rwd_buf *out) {
    rwd_buf_append_str(out, rwd_io_tier_name(probe->tier));
    const char *before = " (";
    for (rwd_io_tier tier = RWD_IO_TIER_COUNT - 1; tier > probe->tier; tier--) {
        if (!probe->refused[tier][0]) continue;
        rwd_buf_appendf(out, "%s%s: %s", before, rwd_io_tier_name(tier), probe->refused[tier]);
        before = "; ";
    }
    if (before[0] == ';') rwd_buf_append_char(out, ')');
    if (probe->forced) rwd_buf_append_str(out, ", as asked for");
}
