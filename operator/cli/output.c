// Standard output or an atomic file.
#include "operator/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

bool rwd_output_open(rwd_io *io, const char *path, rwd_output *out, rwd_error *err) {
    *out = (rwd_output){.io = io, .fd = STDOUT_FILENO};
    if (!path) return true;
    int size = snprintf(out->temporary, sizeof(out->temporary), "%s.%" PRIu64 ".part", path, (uint64_t)getpid());
    if (size < 0 || (size_t)size >= sizeof(out->temporary)) return rwd_fail(err, RWD_E_USAGE, "the path of the file is too long");
    memcpy(out->path, path, strlen(path) + 1);
    if (rwd_io_open(io, out->temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, &out->fd, err)) return true;
    out->fd = -1;
    out->temporary[0] = '\0';
    return false;
}

static bool write_standard(rwd_slice bytes, rwd_error *err) {
    while (bytes.size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            struct pollfd wanted = {STDOUT_FILENO, POLLOUT, 0};
            (void)poll(&wanted, 1, -1);
            continue;
        }
        if (written < 0) return rwd_fail_errno(err, errno, "cannot write to standard output");
        bytes = rwd_slice_of(bytes.data + written, bytes.size - (size_t)written);
    }
    return true;
}

static bool write_gathered(rwd_output *out, rwd_error *err) {
    rwd_slice bytes = rwd_buf_slice(&out->text);
    bool worked = *out->path ? rwd_io_write(out->io, out->fd, out->temporary, bytes.data, bytes.size, out->written, err) : write_standard(bytes, err);
    out->written += bytes.size;
    rwd_buf_clear(&out->text);
    return worked;
}

bool rwd_output_step(rwd_output *out, rwd_error *err) { return out->text.size < RWD_OUTPUT_PIECE || write_gathered(out, err); }

bool rwd_output_commit(rwd_output *out, rwd_error *err) {
    if (out->text.size > 0 && !write_gathered(out, err)) return false;
    if (!*out->path) return true;
    char dir[RWD_PATH_MAX];
    rwd_path_dir(dir, out->path);
    if (!rwd_io_fsync(out->io, out->fd, out->temporary, err) || !rwd_io_rename(out->io, out->temporary, out->path, err)) return false;
    out->temporary[0] = '\0';
    return rwd_io_sync_dir(out->io, dir, err);
}

void rwd_output_close(rwd_output *out) {
    rwd_error ignored;
    if (*out->path) rwd_io_close(out->io, out->fd);
    if (*out->temporary && !rwd_io_unlink(out->io, out->temporary, &ignored)) rwd_error_clear(&ignored);
    rwd_buf_deinit(&out->text);
}
