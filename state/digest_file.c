// Writes and reads `tables.digest`. The format is in digest_file_private.h.
#include "state/digest_file_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "operator/base/fs.h"

#define MAGIC "RWDDIGST"
#define VERSION 1u
#define HEADER 16u
#define FILE_MAX (HEADER + RWD_TABLES_MAX * 8 + RWD_BUCKETS * 16 + 4)

static void encode(const rwd_digest *digest, const uint64_t keys[], size_t tables, rwd_buf *out) {
    rwd_buf_reserve(out, FILE_MAX);
    memcpy(out->data, MAGIC, 8);
    rwd_put_le32(out->data + 8, VERSION);
    rwd_put_le32(out->data + 12, (uint32_t)tables);
    uint8_t *at = out->data + HEADER;
    for (size_t i = 0; i < tables; i++, at += 8) rwd_put_le64(at, keys[i]);
    for (size_t i = 0; i < RWD_BUCKETS; i++, at += 16) rwd_hash128_put(digest->buckets[i], at);
    rwd_put_le32(at, rwd_crc32c(0, out->data, (size_t)(at - out->data)));
    out->size = (size_t)(at - out->data) + 4;
}

static bool write_all(int fd, rwd_slice bytes) {
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return true;
}

bool rwd_digest_file_write(const char *dir, const rwd_digest *digest, const uint64_t keys[], size_t tables, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, dir, RWD_DIGEST_FILE, err)) return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        rwd_fail_errno(err, errno, "cannot create the digest file");
        return rwd_error_at(err, "%s", path);
    }
    rwd_buf bytes = {0};
    encode(digest, keys, tables, &bytes);
    bool worked = write_all(fd, rwd_buf_slice(&bytes));
    int error = errno;
    rwd_buf_deinit(&bytes);
    if (close(fd) != 0 && worked) {
        worked = false;
        error = errno;
    }
    if (worked) return true;
    rwd_fail_errno(err, error, "cannot write the digest file");
    return rwd_error_at(err, "%s", path);
}

// Untrusted bytes.
static bool decode(rwd_slice bytes, rwd_digest *out, uint64_t out_keys[RWD_TABLES_MAX], size_t *out_tables, rwd_error *err) {
    if (bytes.size < HEADER || memcmp(bytes.data, MAGIC, 8) != 0) return rwd_fail(err, RWD_E_CORRUPT, "not a digest file");
    if (rwd_get_le32(bytes.data + 8) > VERSION)
        return rwd_fail(err, RWD_E_NEWER_FORMAT, "version %u of the digest file is not known", rwd_get_le32(bytes.data + 8));
    size_t tables = rwd_get_le32(bytes.data + 12);
    if (tables > RWD_TABLES_MAX || bytes.size != HEADER + tables * 8 + RWD_BUCKETS * 16 + 4)
        return rwd_fail(err, RWD_E_CORRUPT, "the digest file has a wrong length");
    if (rwd_get_le32(bytes.data + bytes.size - 4) != rwd_crc32c(0, bytes.data, bytes.size - 4))
        return rwd_fail(err, RWD_E_CORRUPT, "the digest file does not match its checksum");
    const uint8_t *at = bytes.data + HEADER;
    for (size_t i = 0; i < tables; i++, at += 8) out_keys[i] = rwd_get_le64(at);
    for (size_t i = 0; i < RWD_BUCKETS; i++, at += 16) out->buckets[i] = rwd_hash128_get(at);
    *out_tables = tables;
    return true;
}

bool rwd_digest_file_read(const char *dir, rwd_digest *out, uint64_t out_keys[RWD_TABLES_MAX], size_t *out_tables,
                          rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, dir, RWD_DIGEST_FILE, err)) return false;
    rwd_buf bytes = {0};
    bool worked = rwd_read_file(path, FILE_MAX, &bytes, err);
    if (worked && !decode(rwd_buf_slice(&bytes), out, out_keys, out_tables, err)) worked = rwd_error_at(err, "%s", path);
    rwd_buf_deinit(&bytes);
    return worked;
}
