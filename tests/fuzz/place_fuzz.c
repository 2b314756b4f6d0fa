// Cursors and identities of a file, as hostile bytes: they are refused, or they are the true ones; and what follows a cursor that is taken are the
// records behind it.
#include <string.h>
#include <unistd.h>

#include "operator/source/file.h"

#include "tests/fuzz/fuzz.h"

// Bytes cannot be given here that hold a NUL; the true cursors are added by the target itself.
const char *const fuzz_seeds[] = {"\x01\x01\x04", "\x01" "f\x04", "3", NULL};

static const char text[] = "a,b\n1,2\n\"x\ny\",3\n\n4,5";
#define RECORDS 3

static rwd_source *open_source(rwd_io **out_io) {
    char path[] = "place_fuzz_XXXXXX";
    rwd_error err;
    rwd_source *source;
    int fd = mkstemp(path);
    FUZZ_CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1) && close(fd) == 0);
    rwd_file_source_options options = {.path = path, .csv = true, .csv_header = true, .csv_delimiter = ',', .max_size = 1000};
    FUZZ_CHECK(rwd_io_pread_new(out_io, &err) && rwd_file_source_open(&options, *out_io, rwd_clock_system(), &source, &err));
    FUZZ_CHECK(unlink(path) == 0);
    return source;
}

static void check_cursor(rwd_source *source, rwd_slice cursor, int64_t offset) {
    rwd_error err;
    rwd_batch batch;
    if (cursor.size == 0) return;
    if (!source->ops->assign(source, offset, cursor, &err)) {
        FUZZ_CHECK(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT || err.code == RWD_E_POSITION || err.code == RWD_E_SOURCE_CHANGED);
        FUZZ_CHECK(err.cause[0] && err.place[0]);
        return;
    }
    FUZZ_CHECK(source->ops->batch(source, 10, 0, &batch, &err));
    FUZZ_CHECK(batch.count == (size_t)(RECORDS - offset) && batch.end);
    if (batch.count) FUZZ_CHECK(batch.records[0].offset == offset);
    source->ops->release(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rwd_source *source;
    static rwd_io *io;
    static rwd_buf cursors[RECORDS], identity;
    rwd_error err;
    rwd_batch batch;
    rwd_hash128 hash;
    if (!source) {
        source = open_source(&io);
        FUZZ_CHECK(source->ops->identity(source, &identity, &hash, &err));
        FUZZ_CHECK(source->ops->batch(source, 10, 0, &batch, &err) && batch.count == RECORDS);
        for (size_t i = 0; i < RECORDS; i++) FUZZ_CHECK(source->ops->cursor(source, &batch.records[i], &cursors[i], &err));
        source->ops->release(source);
    }
    rwd_slice given = rwd_slice_of(data, size);
    for (int64_t offset = 0; offset <= RECORDS; offset++) check_cursor(source, given, offset);
    FUZZ_CHECK(!source->ops->check_identity(source, given, &err) || rwd_slice_equal(given, rwd_buf_slice(&identity)));
    // A true cursor with the input's bytes laid over it.
    for (size_t i = 0; i < RECORDS; i++) {
        rwd_buf changed = {0};
        rwd_buf_append(&changed, cursors[i].data, cursors[i].size);
        for (size_t j = 0; j + 1 < size; j += 2) changed.data[data[j] % changed.size] ^= data[j + 1];
        check_cursor(source, rwd_buf_slice(&changed), (int64_t)i + 1);
        rwd_buf_deinit(&changed);
    }
    return 0;
}
