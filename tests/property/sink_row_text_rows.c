// Prints random rows and dead letters beside what they must say, for row_text_oracle.py.
//
//   schema TAB name:type:scale ...            of a new table, key parts and columns, in the order of the output
//   want   TAB hex ...                        the values of a row, each as hex of its plain text (see plain()), "-" for null
//   json   TAB hex                            the row's JSON line
//   csv    TAB hex                            the row's CSV line; header TAB hex comes before the first of a table
//   dead   TAB hex of the record TAB hex of the line
#include <stdio.h>

#include "operator/base/float.h"
#include "operator/sink/dead_letter_text.h"
#include "operator/sink/row_text.h"
#include "state/row.h"
#include "tests/support/random.h"

#define TABLES 60
#define ROWS 30

static void print_hex(const char *word, rwd_slice bytes) {
    printf("%s\t", word);
    for (size_t i = 0; i < bytes.size; i++) printf("%02x", bytes.data[i]);
}

// Text with all that is special to JSON and CSV, and characters of every UTF-8 length.
static size_t random_text(test_random *r, char *out) {
    static const char *const pieces[] = {"a", "Z", "0", ",", "\"", "\n", "\r", "\\", "/", "\t", "\x01", " ", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                         "null", "true", "\"\"", "'", ";", "\x7f", "\xE2\x80\xA8"};
    size_t size = 0;
    for (uint64_t n = test_random_below(r, 12); n > 0; n--) {
        const char *piece = pieces[test_random_below(r, sizeof(pieces) / sizeof(pieces[0]))];
        memcpy(out + size, piece, strlen(piece));
        size += strlen(piece);
    }
    if (test_random_below(r, 8) == 0) out[size++] = '\0';
    return size;
}

static double random_float(test_random *r) {
    double v;
    uint64_t bits = test_random_u64(r);
    memcpy(&v, &bits, sizeof v);
    if (test_random_below(r, 3) > 0 || !rwd_float_normal(v, &v)) v = (double)(int64_t)test_random_wide(r) / (double)(1 + test_random_below(r, 1000));
    return v + 0.0;
}

static rwd_value random_value(test_random *r, rwd_type type, char *text) {
    rwd_value v = {.present = test_random_below(r, 6) != 0};
    if (!v.present) return v;
    int64_t sign = test_random_below(r, 2) ? 1 : -1;
    switch (type) {
    case RWD_TYPE_STRING: v.s = rwd_slice_of(text, random_text(r, text)); break;
    case RWD_TYPE_INT: v.i = (int64_t)(test_random_wide(r) >> 1) * sign; break;
    case RWD_TYPE_DECIMAL: v.d = ((rwd_i128)(test_random_wide(r) >> 2) << test_random_below(r, 60)) * sign + (int64_t)test_random_below(r, 100); break;
    case RWD_TYPE_BOOL: v.b = sign > 0; break;
    case RWD_TYPE_TIME: v.i = RWD_TIME_MIN + (int64_t)(test_random_u64(r) % (uint64_t)(RWD_TIME_MAX - RWD_TIME_MIN)); break;
    case RWD_TYPE_FLOAT: v.f = random_float(r); break;
    case RWD_TYPE_BYTES:
        v.s = rwd_slice_of(text, test_random_below(r, 12));
        for (size_t i = 0; i < v.s.size; i++) text[i] = (char)test_random_u64(r);
        break;
    case RWD_TYPE_COUNT: break;
    }
    if (type == RWD_TYPE_TIME && test_random_below(r, 2)) v.i -= v.i % 1000000;
    return v;
}

// A plain text that needs no formatter of ours: numbers as their units in decimal digits, floats in hexadecimal, texts as they are.
static void print_plain(const rwd_value *v, rwd_type type) {
    if (!v->present) {
        printf("\t-");
        return;
    }
    rwd_buf text = {0};
    if (type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES) {
        rwd_buf_append_slice(&text, v->s);
    } else if (type == RWD_TYPE_FLOAT) {
        char digits[40];
        rwd_buf_append(&text, digits, (size_t)snprintf(digits, sizeof(digits), "%a", v->f));
    } else if (type == RWD_TYPE_DECIMAL) {
        char digits[64];
        size_t at = sizeof(digits);
        unsigned __int128 left = v->d < 0 ? -(unsigned __int128)v->d : (unsigned __int128)v->d;
        do digits[--at] = (char)('0' + (int)(left % 10));
        while (left /= 10);
        if (v->d < 0) digits[--at] = '-';
        rwd_buf_append(&text, digits + at, sizeof(digits) - at);
    } else {
        char digits[32];
        rwd_buf_append(&text, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", type == RWD_TYPE_BOOL ? (long long)v->b : (long long)v->i));
    }
    print_hex("", rwd_buf_slice(&text));
    rwd_buf_deinit(&text);
}

static void make_table(test_random *r, rwd_schema *schema) {
    static const char *const aggregates[] = {"count", "sum", "min", "max", "first", "last"};
    rwd_error err;
    char name[64];
    rwd_schema_init(schema, 0, "t");
    for (uint64_t i = 0, n = 1 + test_random_below(r, 4); i < n; i++) {
        (void)snprintf(name, sizeof(name), "k%d%s", (int)i, test_random_below(r, 4) == 0 ? ",\"x\"" : "");
        if (!rwd_schema_add_part(schema, name, (rwd_type)test_random_below(r, RWD_TYPE_COUNT), (uint8_t)test_random_below(r, 19), &err)) abort();
    }
    for (uint64_t i = 0, n = 1 + test_random_below(r, 6); i < n;) {
        const rwd_aggregate *aggregate = rwd_aggregate_find(aggregates[test_random_below(r, sizeof(aggregates) / sizeof(aggregates[0]))]);
        (void)snprintf(name, sizeof(name), "c%d", (int)i);
        i += rwd_schema_add_column(schema, name, aggregate, (rwd_type)test_random_below(r, RWD_TYPE_COUNT), (uint8_t)test_random_below(r, 19), &err);
    }
}

static uint8_t part_scale(const rwd_key_part *part) { return part->type == RWD_TYPE_DECIMAL ? part->scale : 0; }

static void print_schema(const rwd_schema *schema) {
    printf("schema");
    for (size_t i = 0; i < schema->part_count; i++)
        printf("\t%s:%s:%d", schema->parts[i].name, rwd_type_name(schema->parts[i].type), part_scale(&schema->parts[i]));
    for (size_t i = 0; i < schema->column_count; i++) {
        const rwd_column *c = &schema->columns[i];
        printf("\t%s:%s:%d", c->name, rwd_type_name(rwd_column_type(c)), rwd_column_scale(c));
    }
    printf("\n");
}

static void print_line(rwd_row_text *how, rwd_format format, rwd_slice key, rwd_slice row) {
    rwd_answers answers = {0};
    rwd_buf out = {0};
    rwd_error err;
    how->format = format;
    if (!rwd_row_text_append(how, key, row.data, (uint32_t)row.size, 77, &answers, &out, &err)) abort();
    print_hex(rwd_format_name(format), rwd_buf_slice(&out));
    printf("\n");
    rwd_answers_deinit(&answers);
    rwd_buf_deinit(&out);
}

static void print_row(test_random *r, rwd_row_text *how) {
    const rwd_schema *schema = &how->table->schema;
    rwd_value parts[RWD_KEY_PARTS_MAX];
    char texts[RWD_KEY_PARTS_MAX][128];
    uint8_t key[RWD_KEY_BYTES_MAX], row[2048];
        printf("want");
    for (size_t i = 0; i < schema->part_count; i++) {
        parts[i] = random_value(r, schema->parts[i].type, texts[i]);
        print_plain(&parts[i], schema->parts[i].type);
    }
    size_t size = rwd_key_encode(schema, parts, key);
    rwd_value args[RWD_COLUMNS_MAX], value;
    char arg_texts[6][128];
    uint32_t row_size;
    size_t column;
    for (size_t i = 0; i < schema->column_count; i++) args[i] = random_value(r, schema->columns[i].how.arg, arg_texts[i]);
    if (rwd_row_apply(schema, NULL, 0, args, NULL, &(rwd_moment){0}, row, sizeof(row), &row_size, &column) != RWD_E_NONE) abort();
    for (size_t i = 0; i < schema->column_count; i++) {
        rwd_row_read(schema, i, row, &value);
        print_plain(&value, rwd_column_type(&schema->columns[i]));
    }
    printf("\n");
    print_line(how, RWD_FORMAT_JSON, rwd_slice_of(key, size), rwd_slice_of(row, row_size));
    print_line(how, RWD_FORMAT_CSV, rwd_slice_of(key, size), rwd_slice_of(row, row_size));
}

static void print_table(test_random *r) {
    rwd_job_table table = {0};
    rwd_buf header = {0};
    make_table(r, &table.schema);
    print_schema(&table.schema);
    rwd_row_text how = {.table = &table, .format = RWD_FORMAT_CSV, .with_origin = true, .with_deleted = true, .lineage = "00112233445566778899aabbccddeeff"};
    rwd_row_text_header(&how, &header);
    print_hex("header", rwd_buf_slice(&header));
    printf("\n");
    for (unsigned i = 0; i < ROWS; i++) print_row(r, &how);
    rwd_buf_deinit(&header);
    rwd_schema_deinit(&table.schema);
}

static void print_dead(test_random *r) {
    uint8_t bytes[8192];
    size_t size = test_random_below(r, test_random_below(r, 4) == 0 ? sizeof(bytes) : 40);
    bool text = test_random_below(r, 2);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(text ? ' ' + test_random_below(r, 95) : test_random_u64(r));
    rwd_dead_letter letter = {.source = "orders \"1\".csv", .offset = 5, .time_us = 0, .position = UINT64_MAX, .code = RWD_E_MALFORMED,
                              .reason = rwd_slice_str("byte \"7\""), .value = rwd_slice_of(bytes, size), .full_size = size};
    rwd_buf out = {0}, scratch = {0};
    rwd_error err;
    rwd_dead_letter_head(&letter, &out);
    if (!rwd_dead_letter_piece(&letter, 0, &scratch, &out, &err)) abort();
    rwd_dead_letter_tail(&letter, &out);
    print_hex("dead", letter.value);
    print_hex("", rwd_buf_slice(&out));
    printf("\n");
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&scratch);
}

int main(void) {
    test_random r = test_random_of(4180);
    for (unsigned i = 0; i < TABLES; i++) print_table(&r);
    for (unsigned i = 0; i < 300; i++) print_dead(&r);
    return 0;
}
