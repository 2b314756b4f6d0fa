// The CSV header: the first line of the file that is not empty. Untrusted bytes.
#include <stdlib.h>

#include "operator/source/csv.h"
#include "operator/source/file_private.h"

void rwd_file_forget_header(rwd_file_source *source) {
    for (size_t i = 0; i < source->column_count; i++) free(source->columns[i]);
    free(source->columns);
    source->columns = NULL;
    source->column_count = 0;
}

static bool bad_header(rwd_file_source *source, rwd_error *err, const char *what) {
    (void)rwd_fail(err, RWD_E_SOURCE_HEADER, "the header line cannot be used: %s", what);
    (void)rwd_error_at(err, "%s", source->options.path);
    return rwd_error_next(err, "head -n 1 %s", source->options.path);
}

static bool take_column(rwd_file_source *source, const rwd_csv_field *field, rwd_error *err) {
    if (source->column_count == RWD_FILE_COLUMNS_MAX) return bad_header(source, err, "it has more than 4096 columns");
    if (memchr(field->text.data, 0, field->text.size)) return bad_header(source, err, "a column's name holds a NUL byte");
    char *name = rwd_strndup((const char *)field->text.data, field->text.size);
    if (field->escaped) name[rwd_csv_unescape(field->text, (uint8_t *)name)] = '\0';
    source->columns[source->column_count++] = name;
    return true;
}

static bool take_columns(rwd_file_source *source, rwd_slice line, rwd_error *err) {
    if (!rwd_utf8_valid(line)) {
        bool utf16 = line.size >= 2 && ((line.data[0] == 0xFF && line.data[1] == 0xFE) || (line.data[0] == 0xFE && line.data[1] == 0xFF));
        (void)bad_header(source, err, utf16 ? "it is UTF-16, and UTF-8 is needed" : "it is not valid UTF-8");
        if (utf16 && err) err->next[0] = '\0', (void)rwd_error_next(err, "iconv -f UTF-16 -t UTF-8 %s > utf8.csv", source->options.path);
        return false;
    }
    source->columns = rwd_calloc(RWD_FILE_COLUMNS_MAX, sizeof *source->columns);
    rwd_csv_row row = rwd_csv_row_of(line, source->options.csv_delimiter);
    rwd_csv_field field;
    const char *mistake;
    while (rwd_csv_next(&row, &field, &mistake))
        if (!take_column(source, &field, err)) return false;
    return mistake ? bad_header(source, err, mistake) : true;
}

// Finds the line in the file's first bytes: `*out_behind` is where the first record may begin; 0: no whole line is there.
static rwd_slice find_line(const rwd_file_source *source, const uint8_t *bytes, size_t size, bool last, size_t *out_behind) {
    size_t begin = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    rwd_framing framing = rwd_framing_of(true, source->options.csv_delimiter);
    *out_behind = 0;
    while (begin < size) {
        size_t found = begin + rwd_framing_find(&framing, bytes + begin, size - begin);
        if (found == size && !last) break;
        size_t length = rwd_framing_trim(bytes + begin, found - begin);
        size_t behind = found < size ? found + 1 : size;
        if (length > 0) {
            *out_behind = behind;
            return rwd_slice_of(bytes + begin, length);
        }
        begin = behind;
    }
    return (rwd_slice){0};
}

bool rwd_file_read_header(rwd_file_source *source, rwd_error *err) {
    uint8_t *bytes = rwd_calloc(1, RWD_FILE_HEADER_MAX + RWD_CSV_PADDING);
    size_t size = 0, behind = 0;
    bool ok = rwd_file_read_at(source, bytes, RWD_FILE_HEADER_MAX, 0, &size, err);
    if (ok) {
        bool whole_file = size < RWD_FILE_HEADER_MAX;
        rwd_slice line = find_line(source, bytes, size, whole_file && !source->options.follow, &behind);
        if (behind > 0) {
            ok = take_columns(source, line, err);
            source->header_read = ok;
            source->header_hash = rwd_hash128_of(line.data, line.size, 0);
            source->data_position = behind;
        } else if (!whole_file) {
            ok = bad_header(source, err, "it is longer than 256 KiB");
        } else if (!source->options.follow) {
            ok = bad_header(source, err, "the file is empty");
        }
    }
    if (!ok) rwd_file_forget_header(source);
    free(bytes);
    return ok;
}
