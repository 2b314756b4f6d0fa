// Evaluates expressions for expr_oracle.py. Lines on standard input:
//
//   N name type scale nullable(0|1)     a name of the scope; before the first expression
//   R cell ... offset time key header   a row, tab-separated; \N is null; strings and bytes in hex
//   E expression                        answered over the row with one line:
//       = type scale nullable value       or    ! error-word column    or    ? column message
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/expr/expr.h"

#define NAMES_MAX 64
#define LINE_MAX_BYTES 65536

typedef struct rig {
    rwd_expr_name names[NAMES_MAX];
    size_t count;
    rwd_value row[NAMES_MAX];
    rwd_buf bytes[NAMES_MAX + 2];
    rwd_expr_record record;
    rwd_slice header;
    bool has_header;
    int64_t event_time;
    rwd_expr_scratch scratch;
    rwd_buf out;
} rig;

static void die(const char *what) {
    fprintf(stderr, "expr_rows: %s\n", what);
    exit(2);
}

static rwd_type type_named(const char *name) {
    for (int t = 0; t < RWD_TYPE_COUNT; t++)
        if (strcmp(rwd_type_name((rwd_type)t), name) == 0) return (rwd_type)t;
    die("unknown type");
    return RWD_TYPE_COUNT;
}

static bool header(void *context, rwd_slice name, rwd_slice *out) {
    rig *r = context;
    *out = r->header;
    return r->has_header && rwd_slice_equal(name, rwd_slice_str("h"));
}

static void add_name(rig *r, char *line) {
    char name[64], type[16];
    unsigned scale, nullable;
    if (r->count == NAMES_MAX || sscanf(line, "%63s %15s %u %u", name, type, &scale, &nullable) != 4) die("name");
    r->names[r->count] = (rwd_expr_name){.name = rwd_strdup(name), .type = type_named(type), .scale = scale, .nullable = nullable, .slot = (uint32_t)r->count};
    r->count++;
}

// The bytes of a hex cell, which live until the next row.
static rwd_slice from_hex(rwd_buf *to, const char *cell) {
    size_t size = strlen(cell);
    rwd_buf_clear(to);
    rwd_buf_reserve(to, size / 2 + 1);
    if (!rwd_unhex(cell, size, to->data)) die("hex");
    return rwd_slice_of(to->data, size / 2);
}

static int64_t whole(const char *cell, int64_t none) {
    return strcmp(cell, "\\N") == 0 ? none : strtoll(cell, NULL, 10);
}

static void set_row(rig *r, char *line) {
    rwd_error err;
    for (size_t i = 0; i < r->count; i++) {
        const char *cell = strsep(&line, "\t");
        const rwd_expr_name *name = &r->names[i];
        r->row[i] = (rwd_value){0};
        if (!cell) die("row");
        if (strcmp(cell, "\\N") == 0) continue;
        if (name->type == RWD_TYPE_STRING || name->type == RWD_TYPE_BYTES) r->row[i] = (rwd_value){.s = from_hex(&r->bytes[i], cell), .present = true};
        else if (name->type == RWD_TYPE_TIME) r->row[i] = (rwd_value){.i = whole(cell, 0), .present = true};
        else if (!rwd_value_from_text(rwd_slice_str(cell), name->type, name->scale, NULL, &r->row[i], &err)) die(err.cause);
    }
    const char *offset = strsep(&line, "\t"), *time = strsep(&line, "\t"), *key = strsep(&line, "\t"), *value = strsep(&line, "\t");
    if (!offset || !time || !key || !value) die("row");
    r->event_time = whole(time, RWD_TIME_NONE);
    r->record = (rwd_expr_record){.offset = whole(offset, 0), .timestamp_us = r->event_time, .has_key = strcmp(key, "\\N") != 0, .header = header, .header_context = r};
    if (r->record.has_key) r->record.key = from_hex(&r->bytes[NAMES_MAX], key);
    r->has_header = strcmp(value, "\\N") != 0;
    if (r->has_header) r->header = from_hex(&r->bytes[NAMES_MAX + 1], value);
}

static void put_value(rig *r, const rwd_expr *expr, const rwd_value *value) {
    rwd_type type = rwd_expr_type(expr);
    if (!value->present) {
        rwd_buf_append_str(&r->out, "\\N");
    } else if (type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES) {
        for (size_t i = 0; i < value->s.size; i++) rwd_buf_appendf(&r->out, "%02x", value->s.data[i]);
    } else if (type == RWD_TYPE_TIME) {
        rwd_buf_append_int(&r->out, value->i);
    } else {
        rwd_value_text(value, type, rwd_expr_scale(expr), &r->out);
    }
}

static void put_answer(rig *r, const rwd_expr *expr) {
    rwd_value value;
    rwd_expr_input in = {.values = r->row, .record = &r->record, .event_time_us = r->event_time};
    rwd_code code = rwd_expr_eval(expr, &in, &r->scratch, &value);
    if (code) {
        rwd_buf_appendf(&r->out, "! %s", rwd_code_name(code));
        return;
    }
    rwd_buf_appendf(&r->out, "= %s %u %d ", rwd_type_name(rwd_expr_type(expr)), rwd_expr_scale(expr), rwd_expr_nullable(expr));
    put_value(r, expr, &value);
}

// The normal form means the same, and is its own normal form.
static void check_normal_form(rig *r, const rwd_expr *expr, const rwd_expr_scope *scope) {
    rwd_expr *again;
    rwd_error err;
    if (!rwd_expr_compile(rwd_expr_text(expr), scope, &again, NULL, &err)) die(err.cause);
    if (!rwd_expr_equal(expr, again)) die("the normal form is not its own normal form");
    rwd_buf first = r->out;
    r->out = (rwd_buf){0};
    put_answer(r, again);
    if (!rwd_slice_equal(rwd_buf_slice(&first), rwd_buf_slice(&r->out))) die("the normal form has another value");
    rwd_buf_deinit(&r->out);
    r->out = first;
    rwd_expr_free(again);
}

static void evaluate(rig *r, const char *text) {
    rwd_expr_scope scope = {.names = r->names, .count = r->count, .noun = "field", .metadata = RWD_EXPR_META_ALL, .metadata_null = RWD_EXPR_META_ALL & ~RWD_EXPR_META_BIT(OFFSET)};
    rwd_expr *expr;
    rwd_error err;
    uint32_t column;
    rwd_buf_clear(&r->out);
    if (!rwd_expr_compile(text, &scope, &expr, &column, &err)) {
        printf("? %u %s\n", column, err.cause);
        return;
    }
    put_answer(r, expr);
    if (rwd_buf_cstr(&r->out)[0] != '!') check_normal_form(r, expr, &scope);
    if (rwd_buf_cstr(&r->out)[0] == '!') printf("%s %u\n", rwd_buf_cstr(&r->out), r->scratch.column);
    else printf("%s\n", rwd_buf_cstr(&r->out));
    rwd_expr_scratch_reset(&r->scratch);
    rwd_expr_free(expr);
}

int main(void) {
    rig *r = rwd_aligned_alloc(_Alignof(rig), sizeof(*r));
    memset(r, 0, sizeof(*r));
    char *line = rwd_malloc(LINE_MAX_BYTES);
    while (fgets(line, LINE_MAX_BYTES, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'N') add_name(r, line + 2);
        else if (line[0] == 'R') set_row(r, line + 2);
        else if (line[0] == 'E') evaluate(r, line + 2);
        else die("line");
    }
    for (size_t i = 0; i < r->count; i++) free((char *)(uintptr_t)r->names[i].name);
    for (size_t i = 0; i < NAMES_MAX + 2; i++) rwd_buf_deinit(&r->bytes[i]);
    rwd_buf_deinit(&r->out);
    rwd_expr_scratch_deinit(&r->scratch);
    free(line);
    free(r);
    return 0;
}
