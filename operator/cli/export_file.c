// Reading an export (export_file.h).
//
// What must stay true: whatever stands in the file, a row is given only if all of its members are the table's, and behind the one before it.
#include "operator/cli/export_file.h"

#include <fcntl.h>
#include <stdio.h>

#include "operator/base/json_in.h"

#define PIECE (1u << 20)

bool rwd_export_file_open(rwd_io *io, const char *path, const rwd_job_table *table, rwd_export_file *out, rwd_error *err) {
    *out = (rwd_export_file){.io = io, .table = table, .fd = -1};
    (void)snprintf(out->path, sizeof(out->path), "%s", path);
    return rwd_io_open(io, path, O_RDONLY, 0, &out->fd, err);
}

void rwd_export_file_close(rwd_export_file *file) {
    if (file->fd >= 0) rwd_io_close(file->io, file->fd);
    rwd_buf_deinit(&file->text);
    rwd_buf_deinit(&file->bytes);
    for (size_t i = 0; i < RWD_KEY_PARTS_MAX; i++) rwd_buf_deinit(&file->parts[i]);
    file->fd = -1;
}

static bool read_more(rwd_export_file *f, rwd_error *err) {
    size_t left = f->text.size - f->at, got;
    if (left > 0) memmove(f->text.data, f->text.data + f->at, left);
    f->text.size = left;
    f->at = 0;
    rwd_buf_reserve(&f->text, PIECE);
    if (!rwd_io_read(f->io, f->fd, f->path, f->text.data + left, PIECE, f->offset, &got, err)) return false;
    f->text.size += got;
    f->offset += got;
    f->end = got < PIECE;
    return true;
}

// `out` data NULL: there is no more.
static bool next_line(rwd_export_file *f, rwd_slice *out, rwd_error *err) {
    *out = (rwd_slice){0};
    for (;;) {
        const uint8_t *from = f->text.data ? f->text.data + f->at : NULL, *end = f->text.size > f->at ? memchr(from, '\n', f->text.size - f->at) : NULL;
        if (end || (f->end && f->at < f->text.size)) {
            *out = rwd_slice_of(from, end ? (size_t)(end - from) : f->text.size - f->at);
            f->at += out->size + (end != NULL);
            f->line++;
            return true;
        }
        if (f->end) return true;
        if (f->text.size - f->at > RWD_EXPORT_LINE_MAX) return rwd_fail(err, RWD_E_USAGE, "%s: line %zu is longer than any row", f->path, f->line + 1);
        if (!read_more(f, err)) return false;
    }
}

static int find_part(const rwd_schema *schema, rwd_slice name) {
    for (size_t i = 0; i < schema->part_count; i++)
        if (rwd_slice_equal(name, rwd_slice_str(schema->parts[i].name))) return (int)i;
    return -1;
}

static int find_column(const rwd_job_table *table, rwd_slice name) {
    for (size_t i = 0; i < rwd_job_table_columns(table); i++)
        if (rwd_slice_equal(name, rwd_slice_str(rwd_job_table_column(table, i).name))) return (int)i;
    return -1;
}

// A part of the key: as texts are in a key, without quotes.
static bool take_part(rwd_export_file *f, rwd_json_in *in, size_t part, rwd_value *out) {
    const rwd_key_part *p = &f->table->schema.parts[part];
    rwd_buf *text = &f->parts[part];
    rwd_buf_clear(text);
    rwd_json_pass_space(in);
    if (rwd_json_word_is(in, "null")) return true;
    const uint8_t *from = in->at;
    if (from < in->end && *from == '"') {
        if (!rwd_json_take_quoted(in, text, "a text")) return false;
    } else {
        if (!rwd_json_pass_value(in)) return false;
        rwd_buf_append(text, from, (size_t)(in->at - from));
    }
    // Behind the text nothing moves any more: the value may point into it, and what bytes need has room there.
    rwd_buf_reserve(&f->bytes, text->size);
    if (!rwd_value_from_text(rwd_buf_slice(text), p->type, p->scale, &f->bytes, out, in->err)) return rwd_json_at_line(in);
    out->present = true;
    return true;
}

static bool take_member(rwd_export_file *f, rwd_json_in *in, rwd_value parts[RWD_KEY_PARTS_MAX], bool seen[RWD_KEY_PARTS_MAX]) {
    rwd_buf name = {0};
    bool ok = rwd_json_take_quoted(in, &name, "a member's name, in quotes");
    if (ok && !rwd_json_next_is(in, ':')) ok = rwd_json_fails(in, "behind a member's name stands a colon");
    if (ok) {
        int part = find_part(&f->table->schema, rwd_buf_slice(&name)), column = find_column(f->table, rwd_buf_slice(&name));
        rwd_json_pass_space(in);
        const uint8_t *from = in->at;
        if (part >= 0) {
            seen[part] = true;
            ok = take_part(f, in, (size_t)part, &parts[part]);
        } else {
            ok = rwd_json_pass_value(in);
        }
        if (ok && column >= 0 && part < 0) f->tokens[column] = rwd_slice_of(from, (size_t)(in->at - from));
        bool known = part >= 0 || column >= 0 || rwd_slice_equal(rwd_buf_slice(&name), rwd_slice_str(RWD_WINDOW_END));
        if (ok && !known) ok = rwd_json_fails(in, "the table has no such column");
    }
    rwd_buf_deinit(&name);
    return ok;
}

static bool take_row(rwd_export_file *f, rwd_json_in *in) {
    rwd_value parts[RWD_KEY_PARTS_MAX] = {0};
    bool seen[RWD_KEY_PARTS_MAX] = {0};
    uint8_t key[RWD_KEY_BYTES_MAX];
    memset(f->tokens, 0, sizeof(f->tokens));
    rwd_buf_clear(&f->bytes);
    rwd_buf_reserve(&f->bytes, (size_t)(in->end - in->at));
    if (!rwd_json_next_is(in, '{')) return rwd_json_fails(in, "a row is an object, as `export` writes it");
    do
        if (!take_member(f, in, parts, seen)) return false;
    while (rwd_json_next_is(in, ','));
    bool ends = rwd_json_next_is(in, '}');
    rwd_json_pass_space(in);
    if (!ends || in->at != in->end) return rwd_json_fails(in, "the row does not end here");
    for (size_t i = 0; i < f->table->schema.part_count; i++)
        if (!seen[i]) return rwd_json_fails(in, "a field of the key is missing");
    size_t size = rwd_key_encode(&f->table->schema, parts, key);
    if (size == 0) return rwd_json_fails(in, "the key is longer than any key");
    if (f->key_size && rwd_slice_compare(rwd_slice_of(f->key, f->key_size), rwd_slice_of(key, size)) >= 0) return rwd_json_fails(in, "rows are not in order of their keys, as `export` writes them");
    memcpy(f->key, key, size);
    f->key_size = size;
    return true;
}

bool rwd_export_file_next(rwd_export_file *f, rwd_error *err) {
    rwd_slice line;
    if (!next_line(f, &line, err)) return false;
    if (!line.data) {
        f->key_size = 0;
        return true;
    }
    rwd_json_in in = {.name = f->path, .line = f->line, .at = line.data, .begin = line.data, .end = line.data + line.size, .err = err};
    if (!rwd_utf8_valid(line)) return rwd_json_fails(&in, "it is not UTF-8");
    return take_row(f, &in);
}
