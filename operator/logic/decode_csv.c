// CSV rows to raw fields (RFC 4180; source/csv.h judges the row).
//
// A row has as many fields as there are columns: the header's, or without a header one per declared field.
#include <stdlib.h>

#include "operator/base/words.h"
#include "operator/logic/decode_private.h"
#include "operator/source/csv.h"

#define NONE (-1)

struct rwd_csv_plan {
    char delimiter;
    int16_t *field_of;     // per column: a field that it fills, or NONE
    size_t column_count;
    int16_t *same_column;  // per field: the next field of the same column, or NONE
};

static bool no_such_column(const rwd_field *field, const char *const *columns, size_t count, rwd_error *err) {
    const char *nearest = rwd_nearest(field->path, columns, count);
    rwd_buf list = {0};
    for (size_t i = 0; i < count && i < 20; i++) rwd_buf_appendf(&list, "%s%s", i ? ", " : "", columns[i]);
    if (count > 20) rwd_buf_append_str(&list, ", ...");
    (void)rwd_fail(err, RWD_E_SOURCE_HEADER, "field '%s': the header has no column '%s'%s%s%s; it has: %s", field->name, field->path,
                   nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "", rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return rwd_error_next(err, "name the column in the job file: event: {fields: {%s: {type: %s, path: %s}}}", field->name,
                          rwd_type_name(field->type), nearest ? nearest : "COLUMN");
}

// The one column of that name.
static bool find_column(const rwd_field *field, const char *const *columns, size_t count, size_t *out, rwd_error *err) {
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(columns[i], field->path) != 0) continue;
        if (found != count) {
            (void)rwd_fail(err, RWD_E_SOURCE_HEADER, "field '%s': the header has the column '%s' twice, as number %zu and %zu", field->name,
                           field->path, found + 1, i + 1);
            return rwd_error_next(err, "give the columns different names in the file's first line");
        }
        found = i;
    }
    if (found == count) return no_such_column(field, columns, count, err);
    *out = found;
    return true;
}

static bool no_header(const rwd_job *job, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_SOURCE_HEADER, "the input has no header line yet");
    (void)rwd_error_at(err, "%s", job->source.path);
    return rwd_error_next(err, "write the line with the columns' names first, or set: source: {csv: {header: false}}");
}

bool rwd_csv_plan_new(const rwd_job *job, const char *const *columns, size_t column_count, rwd_csv_plan **out, rwd_error *err) {
    if (job->source.csv_header && !columns) return no_header(job, err);
    size_t fields = job->event.field_count;
    rwd_csv_plan *plan = rwd_calloc(1, sizeof *plan);
    plan->delimiter = job->source.csv_delimiter;
    plan->column_count = columns ? column_count : fields;
    plan->field_of = rwd_calloc(plan->column_count + 1, sizeof *plan->field_of);
    plan->same_column = rwd_calloc(fields + 1, sizeof *plan->same_column);
    for (size_t i = 0; i < plan->column_count; i++) plan->field_of[i] = NONE;
    for (size_t i = 0; i < fields; i++) {
        size_t column = i;
        if (columns && !find_column(&job->event.fields[i], columns, column_count, &column, err)) {
            rwd_csv_plan_free(plan);
            return rwd_error_at(err, "%s", job->source.path ? job->source.path : job->source.topic);
        }
        plan->same_column[i] = plan->field_of[column];
        plan->field_of[column] = (int16_t)i;
    }
    *out = plan;
    return true;
}

void rwd_csv_plan_free(rwd_csv_plan *plan) {
    if (!plan) return;
    free(plan->field_of);
    free(plan->same_column);
    free(plan);
}

static inline void keep(const rwd_csv_plan *plan, size_t column, const rwd_csv_field *field, rwd_raw *raw) {
    for (int f = plan->field_of[column]; f != NONE; f = plan->same_column[f]) {
        raw[f].kind = field->text.size > 0 || field->quoted ? RWD_RAW_CELL : RWD_RAW_ABSENT;
        raw[f].at = field->text.data;
        raw[f].size = (uint32_t)field->text.size;
        raw[f].escaped = field->escaped;
    }
}

bool rwd_csv_take_apart(const rwd_csv_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault) {
    if (!rwd_utf8_valid(record)) return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, rwd_utf8_valid_size(record), "not valid UTF-8");
    rwd_csv_row row = rwd_csv_row_of(record, plan->delimiter);
    rwd_csv_field field;
    const char *mistake;
    size_t column = 0;
    while (rwd_csv_next(&row, &field, &mistake)) {
        if (column < plan->column_count) keep(plan, column, &field, raw);
        column++;
    }
    size_t at = (size_t)(row.at - row.begin);
    if (mistake) return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, at, mistake);
    if (column < plan->column_count) return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, at, "fewer fields than columns");
    if (column > plan->column_count) return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, at, "more fields than columns");
    return true;
}
