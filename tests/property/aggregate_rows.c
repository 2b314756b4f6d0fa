// Prints random tables, events and the rows that they make, for tests/e2e/test_aggregates.py.
//
//   table TAB function:type:scale:parameter,parameter ...   a new table of these columns
//   event TAB offset TAB time TAB ordinal TAB value ...     a value per column: "-" for null, numbers as their units, floats as the bits of the double in hex,
//                                                           texts as "=" and hex
//   row TAB hex                                             the row's bytes after it
//   fault TAB code TAB column                               or why there is none; the row stays
//   answer TAB hex ...                                      per column its JSON token
//   merged TAB hex                                          the row of the table's events, cut in two and merged
#include <stdio.h>
#include <stdlib.h>

#include "state/row.h"
#include "tests/support/random.h"

#define SMALL_TABLES 400
#define SMALL_EVENTS 40
#define LARGE_TABLES 24
#define LARGE_EVENTS 6000
#define COLUMNS 5
#define TEXT_MAX 40

static void print_hex(const char *before, rwd_slice bytes) {
    fputs(before, stdout);
    for (size_t i = 0; i < bytes.size; i++) printf("%02x", bytes.data[i]);
}

static void print_units(rwd_i128 units) {
    char text[RWD_DECIMAL_TEXT_MAX];
    (void)rwd_decimal_text(units, 0, text);
    fputs(text, stdout);
}

// How the numbers of a table lie: small ones that come again, spread ones, or the widest.
typedef enum spread { FEW, SPREAD, WIDE } spread;

static rwd_i128 random_units(test_random *r, rwd_type type, spread how) {
    int64_t sign = test_random_below(r, 2) ? 1 : -1;
    if (how == FEW) return (int64_t)test_random_below(r, 12) * sign;
    if (how == SPREAD) return (int64_t)test_random_below(r, 1ull << (1 + test_random_below(r, 45))) * sign;
    rwd_i128 wide = (int64_t)test_random_wide(r);
    return type == RWD_TYPE_DECIMAL && test_random_below(r, 4) == 0 ? (rwd_i128)((unsigned __int128)wide << test_random_below(r, 62)) : wide;
}

static rwd_value random_value(test_random *r, rwd_type type, spread how, uint8_t text[TEXT_MAX]) {
    rwd_value v = {.present = test_random_below(r, 8) != 0};
    if (!v.present) return v;
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
        v.s = rwd_slice_of(text, how == FEW ? 1 : test_random_below(r, TEXT_MAX));
        for (size_t i = 0; i < v.s.size; i++) text[i] = (uint8_t)('a' + test_random_below(r, how == FEW ? 12 : 26));
        break;
    case RWD_TYPE_INT: v.i = (int64_t)random_units(r, type, how); break;
    case RWD_TYPE_DECIMAL: v.d = random_units(r, type, how); break;
    case RWD_TYPE_BOOL: v.b = test_random_below(r, 2); break;
    case RWD_TYPE_TIME: v.i = (int64_t)test_random_below(r, 1ull << 48); break;
    case RWD_TYPE_FLOAT: v.f = (double)random_units(r, RWD_TYPE_INT, how) / (double)(1 + test_random_below(r, 1000)) + 0.0; break;
    case RWD_TYPE_COUNT: break;
    }
    return v;
}

static void print_value(rwd_type type, const rwd_value *v) {
    uint64_t bits;
    putchar('\t');
    if (!v->present) {
        putchar('-');
        return;
    }
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: print_hex("=", v->s); break;
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: print_units(v->i); break;
    case RWD_TYPE_DECIMAL: print_units(v->d); break;
    case RWD_TYPE_BOOL: putchar(v->b ? '1' : '0'); break;
    case RWD_TYPE_FLOAT:
        memcpy(&bits, &v->f, sizeof bits);
        printf("%016llx", (unsigned long long)bits);
        break;
    case RWD_TYPE_COUNT: break;
    }
}

static int64_t random_parameter(test_random *r, const rwd_parameter *p) {
    if (!p->required && test_random_below(r, 2)) return RWD_PARAMETER_NONE;
    return p->least + (int64_t)test_random_below(r, (uint64_t)(p->greatest - p->least) + 1);
}

static void add_column(test_random *r, rwd_schema *schema, const char *only) {
    rwd_error err;
    char name[16];
    size_t count = 0;
    while (rwd_aggregate_at(count)) count++;
    const rwd_aggregate *a = only ? rwd_aggregate_find(only) : rwd_aggregate_at(test_random_below(r, count));
    rwd_type type = RWD_TYPE_INT;
    while (a->takes_field && !(a->types >> (type = (rwd_type)test_random_below(r, RWD_TYPE_COUNT)) & 1)) {}
    int64_t parameters[RWD_PARAMETERS_MAX];
    size_t given = rwd_aggregate_parameter_count(a);
    for (size_t i = 0; i < given; i++) parameters[i] = random_parameter(r, &a->parameters[i]);
    while (given > 0 && parameters[given - 1] == RWD_PARAMETER_NONE) given--;
    (void)snprintf(name, sizeof name, "c%zu", schema->column_count);
    uint8_t scale = type == RWD_TYPE_DECIMAL ? (uint8_t)test_random_below(r, RWD_DECIMAL_SCALE_MAX + 1) : 0;
    if (!rwd_schema_add_column_with(schema, name, a, type, scale, parameters, &err)) abort();
    printf("\t%s:%s:%u:", a->name, rwd_type_name(type), scale);
    for (size_t i = 0; i < given; i++) {
        char text[RWD_DECIMAL_TEXT_MAX];
        (void)rwd_decimal_text(parameters[i], a->parameters[i].scale, text);
        printf("%s%s", i ? "," : "", text);
    }
}

typedef struct table {
    rwd_schema schema;
    uint8_t *row, *next, *head, *tail;  // of all events; of those before and behind the cut
    uint32_t size, head_size, tail_size;
    bool began, head_began, tail_began;
} table;

static bool take(table *t, const rwd_value *args, const rwd_moment *when, uint8_t *row, uint32_t *size, bool *began, bool say) {
    uint32_t next_size;
    size_t column = 0;
    rwd_code code = rwd_row_apply(&t->schema, *began ? row : NULL, *size, args, NULL, when, t->next, RWD_ROW_BYTES_MAX, &next_size, &column);
    if (code != RWD_E_NONE) {
        if (say) printf("fault\t%s\t%zu\n", rwd_code_name(code), column);
        return false;
    }
    memcpy(row, t->next, next_size);
    *size = next_size;
    *began = true;
    return true;
}

static void print_answers(const table *t) {
    printf("answer");
    for (size_t i = 0; i < t->schema.column_count; i++) {
        rwd_buf json = {0};
        rwd_row_append_json(&t->schema, i, t->row, &json);
        print_hex("\t", rwd_buf_slice(&json));
        rwd_buf_deinit(&json);
    }
    printf("\n");
}

static void print_merged(table *t) {
    uint32_t size;
    size_t column;
    if (!t->head_began || !t->tail_began) return;
    rwd_code code = rwd_row_merge(&t->schema, t->head, t->head_size, t->tail, t->tail_size, t->next, RWD_ROW_BYTES_MAX, &size, &column);
    if (code == RWD_E_NONE) print_hex("merged\t", rwd_slice_of(t->next, size));
    else printf("merged\t%s", rwd_code_name(code));
    printf("\n");
}

static void print_table(test_random *r, size_t columns, const char *only, unsigned events, unsigned shown) {
    table t = {.row = rwd_malloc(RWD_ROW_BYTES_MAX), .next = rwd_malloc(RWD_ROW_BYTES_MAX), .head = rwd_malloc(RWD_ROW_BYTES_MAX), .tail = rwd_malloc(RWD_ROW_BYTES_MAX)};
    spread how = (spread)test_random_below(r, 3);
    rwd_schema_init(&t.schema, 0, "t");
    printf("table");
    for (size_t i = 0; i < columns; i++) add_column(r, &t.schema, only);
    printf("\n");
    uint64_t cut = test_random_below(r, events);
    for (unsigned e = 0; e < events; e++) {
        uint8_t texts[COLUMNS][TEXT_MAX];
        rwd_value args[COLUMNS];
        rwd_moment when = {.time_us = (int64_t)test_random_below(r, 20), .offset = e / 2, .ordinal = e % 2};
        printf("event\t%lld\t%lld\t%u", (long long)when.offset, (long long)when.time_us, when.ordinal);
        for (size_t i = 0; i < columns; i++) {
            args[i] = random_value(r, t.schema.columns[i].how.arg, how, texts[i]);
            print_value(t.schema.columns[i].how.arg, &args[i]);
        }
        printf("\n");
        if (!take(&t, args, &when, t.row, &t.size, &t.began, true)) continue;
        if (e < cut) (void)take(&t, args, &when, t.head, &t.head_size, &t.head_began, false);
        else (void)take(&t, args, &when, t.tail, &t.tail_size, &t.tail_began, false);
        if (e % shown && e + 1 < events) continue;
        if (!rwd_row_check(&t.schema, rwd_slice_of(t.row, t.size))) abort();
        print_hex("row\t", rwd_slice_of(t.row, t.size));
        printf("\n");
        print_answers(&t);
    }
    print_merged(&t);
    rwd_schema_deinit(&t.schema);
    free(t.row), free(t.next), free(t.head), free(t.tail);
}

int main(void) {
    static const char *const sketches[] = {"distinct", "quantile", "topk", "variance"};
    test_random r = test_random_of(71);
    for (unsigned i = 0; i < SMALL_TABLES; i++) print_table(&r, 1 + test_random_below(&r, COLUMNS), NULL, 1 + (unsigned)test_random_below(&r, SMALL_EVENTS), 1);
    for (unsigned i = 0; i < LARGE_TABLES; i++) print_table(&r, 1, sketches[i % 4], LARGE_EVENTS, 997);
    return 0;
}
