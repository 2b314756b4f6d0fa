// The journal's tail goes with a checkpoint that is carried (carry.c): the segments that hold records at or above its X, so that who comes back with it needs no topic for what came after.
//
// What must stay true: a segment counts in the target only under its own name, which it gets when its bytes are durable there, read back from the medium and compared. One that the owner
// still writes is carried as far as it was when it was looked at; a shorter one that is there from an earlier copy is replaced by it, never a longer one. What nobody confirmed (E4) stays behind.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "checkpoints/journal/journal.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"


typedef struct carrying {
    rwd_io *io;
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];  // folders
    rwd_carried *out;
} carrying;

// The target has these bytes already, or more of the same segment.
static bool is_there(const carrying *c, const char *from, const char *to, bool *out_there, rwd_error *err) {
    struct stat a, b;
    rwd_hash128 source, target;
    uint64_t size;
    *out_there = false;
    if (stat(to, &b) != 0 || stat(from, &a) != 0 || a.st_size > b.st_size) return true;
    *out_there = a.st_size < b.st_size;
    if (*out_there) return true;
    if (!rwd_io_hash_file(c->io, from, RWD_IO_FROM_CACHE, NULL, &source, &size, err) || !rwd_io_hash_file(c->io, to, RWD_IO_FROM_MEDIUM, NULL, &target, &size, err)) return false;
    *out_there = rwd_hash128_equal(source, target);
    return true;
}

static bool carry_segment(carrying *c, const rwd_journal_segment_info *segment, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX], part[RWD_PATH_MAX + sizeof RWD_JOURNAL_COPYING];
    rwd_hash128 written, read;
    uint64_t size = 0, again = 0;
    bool there;
    if (!rwd_path_join(from, c->from, segment->name, err) || !rwd_path_join(to, c->to, segment->name, err) || !is_there(c, from, to, &there, err)) return false;
    if (there) return true;
    (void)snprintf(part, sizeof(part), "%s" RWD_JOURNAL_COPYING, to);
    if (rwd_path_exists(part) && !rwd_io_unlink(c->io, part, err)) return false;  // of a copy that died
    if (!rwd_io_copy_file(c->io, from, part, NULL, &written, &size, err)) return false;
    if (!rwd_io_hash_file(c->io, part, RWD_IO_FROM_MEDIUM, NULL, &read, &again, err)) return false;
    if (size != again || !rwd_hash128_equal(written, read)) return rwd_repo_fail(err, RWD_E_CORRUPT, part, "what reads back is not what was written");
    RWD_CRASH_POINT(carry_segment);
    if (!rwd_io_rename(c->io, part, to, err)) return false;
    c->out->journal_copied++;
    c->out->bytes += size;
    return true;
}

// Retention of a running owner may have taken it meanwhile: then nothing below the checkpoint's X was in it, or the topic has it.
static bool carry_or_pass(carrying *c, const rwd_journal_segment_info *segment, rwd_error *err) {
    rwd_error why;
    if (carry_segment(c, segment, &why)) return true;
    if (why.code == RWD_E_NOT_FOUND) return true;
    if (err) *err = why;
    return false;
}

bool rwd_carry_journal(rwd_repo *from, const char *folder, int64_t x, rwd_io *io, rwd_carried *out, rwd_error *err) {
    carrying c = {.io = io, .out = out};
    rwd_journal *journal;
    rwd_journal_segment_info *all = NULL;
    rwd_io *own = NULL;
    out->journal_next = -1;
    if (!rwd_path_join(c.from, from->path, RWD_JOURNAL_FOLDER, err) || !rwd_path_join(c.to, folder, RWD_JOURNAL_FOLDER, err)) return false;
    if (!rwd_path_exists(c.from)) return true;
    if (!rwd_io_clone(io, &own, err) || !rwd_journal_open_reader(from->path, from->id, x, own, from->clock, &journal, err)) return false;
    size_t count = rwd_journal_list(journal, &all);
    bool ok = count == 0 || rwd_io_make_dirs(io, c.to, err);
    for (size_t i = 0; i < count && ok; i++)
        if (all[i].next > x) ok = carry_or_pass(&c, &all[i], err);
    if (ok && count > 0) ok = rwd_io_sync_dir(io, c.to, err);
    int64_t until;
    if (rwd_journal_covers(journal, x, &until)) out->journal_next = until;
    free(all);
    rwd_journal_close(journal);
    return ok;
}
