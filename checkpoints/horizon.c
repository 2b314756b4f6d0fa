// K7: how far back the last look of the keeper reached, for those who list checkpoints beside an operator or without one. A hint: retention decides by what it sees itself.
//
// The file <data>/horizon is a frame "RWHZ", version 1, of 8 bytes: X as a little-endian number.
#include "checkpoints/repository_private.h"

#define MAGIC "RWHZ"
#define SIZE 8u
#define FILE_MAX 64u

bool rwd_repo_note_horizon(rwd_repo *repo, rwd_io *io, int64_t horizon, rwd_error *err) {
    char path[RWD_PATH_MAX];
    uint8_t payload[SIZE];
    rwd_put_le64(payload, (uint64_t)horizon);
    return rwd_path_join(path, repo->path, "horizon", err) && rwd_repo_save_small(io, path, MAGIC, rwd_slice_of(payload, SIZE), err);
}

bool rwd_repo_horizon(rwd_repo *repo, rwd_io *io, int64_t *out) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    rwd_error ignored;
    if (!rwd_path_join(path, repo->path, "horizon", &ignored) || !rwd_path_exists(path)) return false;
    bool known = rwd_repo_load_small(io, path, MAGIC, FILE_MAX, &file, &payload, &ignored) && payload.size == SIZE;
    if (known) *out = (int64_t)rwd_get_le64(payload.data);
    rwd_buf_deinit(&file);
    return known;
}
