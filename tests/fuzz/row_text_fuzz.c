// Rows as text from any bytes: refused, or one line of valid text; never a byte read beyond key and row.
#include "operator/sink/row_text.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "\x01""abc\x01\x01\x80\x01\x01\x01\x01\x01\x01\x01\x01", "\x01\x01\x01", "rows rows rows rows rows rows rows rows rows rows rows rows", NULL,
};

static void make(rwd_schema *schema) {
    static const char *const names[] = {"s", "i", "d", "b", "t", "f", "y"};
    rwd_error err;
    rwd_schema_init(schema, 0, "all");
    for (unsigned type = 0; type < RWD_TYPE_COUNT; type++)
        FUZZ_CHECK(rwd_schema_add_part(schema, names[type], (rwd_type)type, type == RWD_TYPE_DECIMAL ? 18 : 0, &err));
    FUZZ_CHECK(rwd_schema_add_column(schema, "count", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err));
    FUZZ_CHECK(rwd_schema_add_column(schema, "sum", rwd_aggregate_find("sum"), RWD_TYPE_DECIMAL, 2, &err));
    FUZZ_CHECK(rwd_schema_add_column(schema, "min", rwd_aggregate_find("min"), RWD_TYPE_DECIMAL, 0, &err));
    FUZZ_CHECK(rwd_schema_add_column(schema, "max", rwd_aggregate_find("max"), RWD_TYPE_TIME, 0, &err));
}

// `text` has one line; of JSON it is valid UTF-8 whatever the key held.
static void check_line(const rwd_buf *text, rwd_format format) {
    FUZZ_CHECK(text->size > 2 && text->data[text->size - 1] == '\n');
    if (format != RWD_FORMAT_JSON) return;
    FUZZ_CHECK(text->data[0] == '{' && text->data[text->size - 2] == '}');
    FUZZ_CHECK(rwd_utf8_valid(rwd_buf_slice(text)));
    for (size_t i = 0; i + 1 < text->size; i++) FUZZ_CHECK(text->data[i] >= 0x20);
}

static void run(rwd_row_text *how, rwd_slice key, rwd_slice row) {
    rwd_answers answers = {0};
    rwd_buf out = {0};
    rwd_error err;
    static const rwd_format formats[] = {RWD_FORMAT_JSON, RWD_FORMAT_CSV};
    for (size_t format = 0; format < sizeof formats / sizeof *formats; format++) {
        how->format = formats[format];
        rwd_buf_clear(&out);
        if (rwd_row_text_append(how, key, row.data, (uint32_t)row.size, 1, &answers, &out, &err)) check_line(&out, how->format);
        else FUZZ_CHECK(err.code == RWD_E_CORRUPT && out.size == 0);
    }
    rwd_answers_deinit(&answers);
    rwd_buf_deinit(&out);
}

// A row whose tails are equal parts of the input, in every table of one variable column.
static void run_sketches(const uint8_t *data, size_t size) {
    static const char *const names[] = {"min", "first", "distinct", "quantile", "topk"};
    static const rwd_type types[] = {RWD_TYPE_STRING, RWD_TYPE_BYTES, RWD_TYPE_FLOAT, RWD_TYPE_DECIMAL, RWD_TYPE_INT};
    const rwd_aggregate *a = rwd_aggregate_find(names[data[0] % 5]);
    rwd_type type = types[data[0] / 5 % 5];
    rwd_error err;
    rwd_job_table table = {0};
    rwd_schema_init(&table.schema, 0, "fuzz");
    FUZZ_CHECK(rwd_schema_add_part(&table.schema, "key", RWD_TYPE_BOOL, 0, &err));
    int64_t parameters[] = {10, RWD_PARAMETER_NONE};
    if ((a->types >> type & 1) && size <= 4096 && rwd_schema_add_column_with(&table.schema, "c", a, type, 2, parameters, &err) && table.schema.variable) {
        uint8_t row[4 + 4096];
        rwd_put_le32(row, (uint32_t)size - 1);
        memcpy(row + 4, data + 1, size - 1);
        rwd_row_text how = {.table = &table};
        run(&how, rwd_slice_of("\1\1", 2), rwd_slice_of(row, 4 + size - 1));
    }
    rwd_schema_deinit(&table.schema);
}

// The first byte says where the key ends; the rest is the row. And once more with a key that is made of the input's bytes, so that rows are reached.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_job_table table = {0};
    if (size == 0) return 0;
    make(&table.schema);
    rwd_row_text how = {.table = &table, .with_origin = true, .with_deleted = true, .lineage = "00"};
    size_t split = 1 + data[0] % size;
    run(&how, rwd_slice_of(data + 1, split - 1), rwd_slice_of(data + split, size - split));

    rwd_value parts[RWD_KEY_PARTS_MAX] = {0};
    uint8_t key[RWD_KEY_BYTES_MAX];
    parts[RWD_TYPE_STRING] = (rwd_value){.s = rwd_slice_of(data, size), .present = true};
    parts[RWD_TYPE_BOOL] = (rwd_value){.b = data[0] & 1, .present = true};
    size_t key_size = rwd_key_encode(&table.schema, parts, key);
    uint8_t *row = rwd_calloc(1, table.schema.row_size);
    memcpy(row, data, size < table.schema.row_size ? size : table.schema.row_size);
    if (key_size) run(&how, rwd_slice_of(key, key_size), rwd_slice_of(row, table.schema.row_size));
    free(row);
    rwd_schema_deinit(&table.schema);
    run_sketches(data, size);
    return 0;
}
