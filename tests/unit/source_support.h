// What the tests of sources share: a folder that goes away, files with given bytes, records as plain data.
//
// Thread: one.
#ifndef TESTS_UNIT_SOURCE_SUPPORT_H
#define TESTS_UNIT_SOURCE_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/io/io.h"
#include "operator/base/fs.h"
#include "operator/source/file.h"

#include "tests/unit/test.h"

typedef struct source_fixture {
    char dir[64];
    char path[128];
    rwd_io *io;
    rwd_clock *clock;     // virtual
    rwd_source *source;
    rwd_file_source_options options;
    rwd_error err;
} source_fixture;

static inline int source_begin(source_fixture *f, const char *name) {
    *f = (source_fixture){0};
    strcpy(f->dir, "source_test_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    assert_true(rwd_io_pread_new(&f->io, &f->err));
    f->clock = rwd_clock_virtual_new(0);
    f->options = (rwd_file_source_options){.path = f->path, .csv_delimiter = ',', .max_size = 1 << 20, .memory = 4 << 20};
    return 0;
}

static inline void source_close(source_fixture *f) {
    if (f->source) f->source->ops->close(f->source);
    f->source = NULL;
}

static inline void source_end(source_fixture *f) {
    source_close(f);
    rwd_io_free(f->io);
    rwd_clock_virtual_free(f->clock);
    assert_true(rwd_remove_tree(f->dir, &f->err));
}

static inline void write_bytes(const char *path, const char *mode, const void *bytes, size_t size) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
static inline void write_text(source_fixture *f, const char *text) { write_bytes(f->path, "wb", text, strlen(text)); }
static inline void append_text(source_fixture *f, const char *text) { write_bytes(f->path, "ab", text, strlen(text)); }

#define check_ok(call)                                                                                                            \
    do {                                                                                                                          \
        if (call) break;                                                                                                          \
        char check_words[2048];                                                                                                   \
        rwd_error_format(&f.err, check_words, sizeof check_words);                                                                \
        fail_msg("%s: %s", #call, check_words);                                                                                   \
    } while (0)

#define check_fails(call, wanted_code, part)                                                                                      \
    do {                                                                                                                          \
        char check_words[2048] = "";                                                                                              \
        if (call) fail_msg("%s: worked", #call);                                                                                  \
        rwd_error_format(&f.err, check_words, sizeof check_words);                                                                \
        if (f.err.code != (wanted_code) || !strstr(check_words, part)) fail_msg("%s: %s", #call, check_words);                    \
    } while (0)

// One batch as text: "offset:value" joined by '|', "!code" behind a faulty one, "." at the end of what there is.
static inline char *batch_text(source_fixture *f, size_t max, int64_t timeout_ns) {
    rwd_batch batch;
    rwd_buf out = {0};
    if (!f->source->ops->batch(f->source, max, timeout_ns, &batch, &f->err)) {
        rwd_buf_appendf(&out, "error %s", rwd_code_name(f->err.code));
        char *result = rwd_strdup(rwd_buf_cstr(&out));
        rwd_buf_deinit(&out);
        return result;
    }
    for (size_t i = 0; i < batch.count; i++) {
        const rwd_record *r = &batch.records[i];
        rwd_buf_appendf(&out, "%s%lld:", i ? "|" : "", (long long)r->offset);
        rwd_buf_append_slice(&out, r->value);
        if (r->fault != RWD_E_NONE) rwd_buf_appendf(&out, "!%s", rwd_code_name(r->fault));
        else assert_true(rwd_hash128_equal(r->hash, rwd_hash128_of(r->value.data, r->value.size, (uint64_t)r->offset)));
        volatile uint8_t sum = 0;
        for (size_t j = 0; j < RWD_RECORD_PADDING; j++) sum = (uint8_t)(sum + r->value.data[r->value.size + j]);  // readable
    }
    if (batch.end) rwd_buf_append_char(&out, '.');
    f->source->ops->release(f->source);
    char *result = rwd_strdup(rwd_buf_cstr(&out));
    rwd_buf_deinit(&out);
    return result;
}

static inline void check_batch_at(source_fixture *f, const char *wanted, int line) {
    char *got = batch_text(f, RWD_BATCH_MAX, 0);
    if (strcmp(got, wanted) != 0) fail_msg("line %d: got '%s', wanted '%s'", line, got, wanted);
    free(got);
}
#define check_batch(wanted) check_batch_at(&f, wanted, __LINE__)

#endif
