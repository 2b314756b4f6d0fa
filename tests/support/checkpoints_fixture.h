// A data directory in a temporary folder, and checkpoints in it made of small files: one that is shared by hard link from checkpoint to checkpoint, one
// of its own, one in a deeper folder.
//
// Thread: one at a time.
#ifndef TESTS_SUPPORT_CHECKPOINTS_FIXTURE_H
#define TESTS_SUPPORT_CHECKPOINTS_FIXTURE_H

#include "checkpoints/repository.h"
#include "operator/base/fs.h"

typedef struct fixture {
    char root[64];             // temporary folder
    char data[128];            // <data> below it
    rwd_clock *clock;          // virtual
    rwd_io *io;                // of the tier under test (tests/support/tier.h), unless a test takes another
    rwd_repo *repo;            // NULL unless open
    rwd_lineage lineage;
    char last[RWD_CHECKPOINT_ID];  // newest checkpoint made through fixture_checkpoint
} fixture;

#define FIXTURE_SHARED "tables/shared.sst"
#define FIXTURE_PRIVATE "tables/private.sst"
#define FIXTURE_DEEP "tables/deeper/manifest.txt"

void fixture_init(fixture *fx);
// The same in memory, where there is such a file system: for tests that begin anew thousands of times.
void fixture_init_in_memory(fixture *fx);
void fixture_deinit(fixture *fx);
bool fixture_open(fixture *fx, rwd_error *err);   // as owner of job "orders", partition "0"
void fixture_close(fixture *fx);
rwd_facts fixture_facts(const fixture *fx, int64_t next_offset, const char *reason);
// Stages, writes and publishes a checkpoint at X; the shared file is linked from fx->last, if that still has it. `out_id` may be NULL.
bool fixture_checkpoint(fixture *fx, int64_t next_offset, char out_id[RWD_CHECKPOINT_ID], rwd_error *err);
// The files of a checkpoint, without publishing.
bool fixture_write_files(fixture *fx, const char *dir, int64_t next_offset, rwd_error *err);
void fixture_must(bool ok, const rwd_error *err);  // fails the test with the error's text

// <data>/checkpoints/<id>/<name>, in a static buffer of four that take turns.
const char *fixture_path(const fixture *fx, const char *id, const char *name);
// Changes one bit, keeping size; `keep_time` puts the modification time back, as decay on a disk does.
void fixture_flip_bit(const char *path, uint64_t at, bool keep_time);
void fixture_cut(const char *path, uint64_t size);
void fixture_write(const char *path, const char *text);
bool fixture_exists(const char *path);

#endif
