// A store's folder as the beginning of another one: links for what never changes, copies for the rest (K4).
//
// What must stay true: nothing in `from` is ever written through `to`.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/store_private.h"

#define COPY_AT_A_TIME (1u << 20)

static bool is_table_file(const char *name) {
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".sst") == 0;
}

static bool copy_bytes(int from, int to) {
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_AT_A_TIME, 0);
        if (n == 0) return true;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
    }
    if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return false;
    uint8_t buffer[16 << 10];
    for (;;) {
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n == 0) return true;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(to, buffer + done, (size_t)(n - done));
            if (m < 0 && errno != EINTR) return false;
            if (m > 0) done += m;
        }
    }
}

static bool copy_file(const char *from, const char *to, rwd_error *err) {
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        rwd_fail_errno(err, errno, "cannot open a file of the checkpoint");
        return rwd_error_at(err, "%s", from);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool worked = out >= 0 && copy_bytes(in, out);
    int error = errno;
    close(in);
    if (out >= 0 && close(out) != 0 && worked) {
        worked = false;
        error = errno;
    }
    if (worked) return true;
    rwd_fail_errno(err, error, "cannot copy a file of the checkpoint");
    return rwd_error_at(err, "%s", to);
}

static bool take_file(const char *from_dir, const char *to_dir, const char *name, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];
    if (!rwd_path_join(from, from_dir, name, err) || !rwd_path_join(to, to_dir, name, err)) return false;
    if (is_table_file(name)) {
        if (link(from, to) == 0) return true;
        // Another file system, or one without links: bytes of our own serve as well.
        if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP) {
            rwd_fail_errno(err, errno, "cannot link a file of the checkpoint");
            return rwd_error_at(err, "%s", to);
        }
    }
    return copy_file(from, to, err);
}

bool rwd_store_copy(const char *from, const char *to, rwd_error *err) {
    if (mkdir(to, 0700) != 0) {
        rwd_fail_errno(err, errno, "cannot make the store's folder");
        return rwd_error_at(err, "%s", to);
    }
    char **names;
    size_t count;
    if (!rwd_list_dir(from, &names, &count, err)) return false;
    bool worked = true;
    for (size_t i = 0; i < count && worked; i++) worked = take_file(from, to, names[i], err);
    rwd_names_free(names, count);
    return worked;
}
