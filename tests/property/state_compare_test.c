// Random pairs of states, and their differences against a model: numbers in arrays.
//
// Two tables, customers and articles, with keys 0 .. KEYS-1; a side may have them in another order, lack one, or lay one out in another way. What compare says must be
// exactly what the arrays say, in order, and with layouts alike not a row more than those in buckets of unequal digests is read.
#include "state/compare.h"

#include "tests/support/random.h"
#include "tests/support/state_rig.h"

#define KEYS 400
#define TABLES 2

// How the new side is laid out.
typedef enum shape { ALIKE, SWAPPED, COLUMN_ADDED, COLUMN_RENAMED, COLUMN_WIDER, OTHER_KEY, TABLE_LOST, SHAPES } shape;
static const char *const names[TABLES] = {"customers", "articles"};

typedef struct cell { bool present; int64_t n, s; } cell;

typedef struct side {
    char root[32], checkpoint[48];
    rwd_schema schemas[TABLES];
    const rwd_schema *pointers[TABLES];
    size_t table_count;
    size_t number_of[TABLES];     // by name; SIZE_MAX: it has none
    bool int_key;                 // of customers
    bool third;                   // customers have a third column
    rwd_budget budget;
    rwd_tables *tables;
    cell model[TABLES][KEYS];     // by name
} side;

static void must(bool worked, const rwd_error *err) { rig_must(worked, err); }

static void add_columns(rwd_schema *s, size_t name, shape how) {
    rwd_error err;
    bool changed = name == 0;
    must(rwd_schema_add_column(s, "n", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err), &err);
    const char *sum = changed && how == COLUMN_RENAMED ? "total" : "s";
    bool wide = changed && how == COLUMN_WIDER;
    must(rwd_schema_add_column(s, sum, rwd_aggregate_find("sum"), wide ? RWD_TYPE_DECIMAL : RWD_TYPE_INT, 0, &err), &err);
    if (changed && how == COLUMN_ADDED) must(rwd_schema_add_column(s, "most", rwd_aggregate_find("max"), RWD_TYPE_INT, 0, &err), &err);
}

static void side_init(side *s, shape how) {
    rwd_error err;
    memset(s, 0, sizeof(*s));
    strcpy(s->root, "state-compare-XXXXXX");
    assert_non_null(mkdtemp(s->root));
    s->int_key = how == OTHER_KEY;
    for (size_t place = 0; place < TABLES; place++) {
        size_t name = how == SWAPPED ? TABLES - 1 - place : place;
        s->number_of[name] = SIZE_MAX;
        if (how == TABLE_LOST && name == 1) continue;
        rwd_schema *schema = &s->schemas[s->table_count];
        rwd_schema_init(schema, (uint16_t)s->table_count, names[name]);
        bool number = name == 0 && s->int_key;
        must(rwd_schema_add_part(schema, "id", number ? RWD_TYPE_INT : RWD_TYPE_STRING, 0, &err), &err);
        add_columns(schema, name, how);
        s->pointers[s->table_count] = schema;
        s->number_of[name] = s->table_count++;
    }
    must(rwd_budget_init(&s->budget, RWD_BUDGET_MIN, &err), &err);
    must(rwd_tables_new(s->schemas, s->table_count, &s->budget, &s->tables, &err), &err);
    char live[48];
    snprintf(live, sizeof(live), "%s/live", s->root);
    must(rwd_mkdirs(live, &err), &err);
    rwd_participant *p = rwd_tables_participant(s->tables);
    must(p->ops->open(p, NULL, live, &err), &err);
}

static void side_deinit(side *s) {
    rwd_error err;
    rwd_tables_free(s->tables);
    for (size_t i = 0; i < s->table_count; i++) rwd_schema_deinit(&s->schemas[i]);
    must(rwd_remove_tree(s->root, &err), &err);
}

static size_t key_of(const rwd_schema *schema, size_t number, uint8_t *out) {
    char text[32];
    int size = snprintf(text, sizeof(text), "key-%zu", number);
    rwd_value part = {.present = true};
    if (schema->parts[0].type == RWD_TYPE_INT) part.i = (int64_t)number;
    else part.s = rwd_slice_of(text, (size_t)size);
    return rwd_key_encode(schema, &part, out);
}

// Puts what the model says of a key.
static void put(side *s, size_t name, size_t number) {
    const rwd_schema *schema = &s->schemas[s->number_of[name]];
    const cell *want = &s->model[name][number];
    uint8_t key[RWD_KEY_BYTES_MAX], row[256];
    rwd_error err;
    rwd_touch touch = {.key = key, .key_size = (uint32_t)key_of(schema, number, key), .table = schema->number};
    touch.hash = rwd_key_hash(touch.table, rwd_slice_of(key, touch.key_size));
    assert_int_equal(rwd_tables_resolve(s->tables, &touch, 1, &err), RWD_RESOLVED);
    if (!want->present) {
        uint32_t size;
        if (rwd_tables_row(s->tables, &touch, &size)) rwd_tables_delete(s->tables, &touch);
        return;
    }
    rwd_row_init(schema, row);
    for (int64_t i = 0; i < want->n; i++) {
        rwd_value args[3] = {{.present = true}, {.present = true}, {.i = want->s, .present = true}};
        int64_t amount = i == 0 ? want->s : 0;
        if (schema->columns[1].how.arg == RWD_TYPE_DECIMAL) args[1].d = amount;
        else args[1].i = amount;
        for (size_t c = 0; c < schema->column_count; c++)
            assert_int_equal(schema->columns[c].update(&schema->columns[c].how, row + schema->columns[c].offset, &args[c], &(rwd_moment){0}), RWD_E_NONE);
    }
    rwd_tables_write(s->tables, &touch, row, schema->row_size);
}

static void *write_side(void *context) {
    side *s = context;
    rwd_participant *p = rwd_tables_participant(s->tables);
    rwd_error err;
    must(p->ops->write(p, s->checkpoint, &err), &err);
    return NULL;
}

static void side_checkpoint(side *s, unsigned number) {
    rwd_participant *p = rwd_tables_participant(s->tables);
    rwd_error err;
    pthread_t thread;
    snprintf(s->checkpoint, sizeof(s->checkpoint), "%s/c-%u", s->root, number);
    must(rwd_mkdirs(s->checkpoint, &err), &err);
    p->ops->freeze(p, 0);
    assert_int_equal(pthread_create(&thread, NULL, write_side, s), 0);
    while (!p->ops->sweep(p, 1000)) usleep(20);
    pthread_join(thread, NULL);
    p->ops->thaw(p);
}

// ---------------------------------------------------------------------------------------------- what compare says
typedef struct watching {
    const side *a, *b;
    const rwd_compare_pair *pairs;
    bool seen[2][TABLES][KEYS];   // [1]: rows of a table with other keys, on the new side
    size_t told, stop_at;
    size_t last_pair;
    bool any, last_new;
    uint8_t last[64];
    size_t last_size;
    bool every;
} watching;

static void check_row_is(const rwd_schema *schema, rwd_slice row, const cell *want) {
    rwd_value n, s;
    assert_true(want->present);
    rwd_row_read(schema, 0, row.data, &n);
    rwd_row_read(schema, 1, row.data, &s);
    assert_int_equal(n.i, want->n);
    assert_int_equal(schema->columns[1].how.arg == RWD_TYPE_DECIMAL ? (int64_t)s.d : s.i, want->s);
}

static size_t number_of_key(const rwd_schema *schema, rwd_slice key) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    rwd_buf scratch = {0};
    assert_true(rwd_key_decode(schema, key, parts, &scratch));
    size_t number;
    if (schema->parts[0].type == RWD_TYPE_INT) {
        number = (size_t)parts[0].i;
    } else {
        char text[32] = {0};
        assert_true(parts[0].s.size < sizeof(text));
        memcpy(text, parts[0].s.data, parts[0].s.size);
        number = strtoull(text + 4, NULL, 10);
    }
    rwd_buf_deinit(&scratch);
    assert_true(number < KEYS);
    return number;
}

// In order: by pair, then by the store key of the new side (of the old one where it stands alone).
static void check_order(watching *w, size_t pair, rwd_slice key, bool is_new) {
    const rwd_compare_pair *p = &w->pairs[pair];
    uint16_t number = (uint16_t)(p->new_schema && (p->same_keys || is_new || !p->old_schema) ? p->new_schema->number : p->old_schema->number);
    uint8_t store_key[64];
    assert_true(key.size + RWD_STORE_KEY_PREFIX <= sizeof(store_key));
    rwd_store_key_prefix(store_key, number, rwd_key_hash(number, key));
    memcpy(store_key + RWD_STORE_KEY_PREFIX, key.data, key.size);
    rwd_slice now = rwd_slice_of(store_key, key.size + RWD_STORE_KEY_PREFIX);
    if (w->any) assert_true(pair >= w->last_pair);
    bool apart = p->old_schema && p->new_schema && !p->same_keys;
    if (w->any && pair == w->last_pair) {
        if (apart) assert_true(is_new >= w->last_new);
        if (!apart || is_new == w->last_new) assert_true(rwd_slice_compare(rwd_slice_of(w->last, w->last_size), now) < 0);
    }
    w->any = true;
    w->last_pair = pair;
    w->last_new = is_new;
    memcpy(w->last, store_key, now.size);
    w->last_size = now.size;
}

static bool see(void *context, size_t pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    watching *w = context;
    const rwd_compare_pair *p = &w->pairs[pair];
    const rwd_schema *known = new_row.data ? p->new_schema : p->old_schema;
    size_t name = strcmp(known->name, names[0]) == 0 ? 0 : 1, number = number_of_key(known, key);
    bool apart = p->old_schema && p->new_schema && !p->same_keys, is_new = apart && new_row.data;
    check_order(w, pair, key, is_new);
    assert_true(old_row.data || new_row.data);
    assert_false(w->seen[is_new][name][number]);
    w->seen[is_new][name][number] = true;
    if (apart) assert_true(!old_row.data != !new_row.data);
    if (old_row.data) check_row_is(p->old_schema, old_row, &w->a->model[name][number]);
    else if (!apart) assert_false(w->a->model[name][number].present && p->old_schema);
    if (new_row.data) check_row_is(p->new_schema, new_row, &w->b->model[name][number]);
    else if (!apart) assert_false(w->b->model[name][number].present && p->new_schema);
    return ++w->told != w->stop_at;
}

static bool same(const cell *a, const cell *b) { return a->present == b->present && (!a->present || (a->n == b->n && a->s == b->s)); }

// How often compare must tell of a key, by the model.
static size_t expected_of(const side *a, const side *b, shape how, size_t name, size_t i, bool every) {
    bool has_a = a->number_of[name] != SIZE_MAX && a->model[name][i].present, has_b = b->number_of[name] != SIZE_MAX && b->model[name][i].present;
    if (!has_a && !has_b) return 0;
    if (name == 0 && how == OTHER_KEY) return (size_t)has_a + has_b;
    if (has_a != has_b || every) return 1;
    if (name == 0 && (how == COLUMN_ADDED || how == COLUMN_RENAMED)) return 1;
    return !same(&a->model[name][i], &b->model[name][i]);
}

// Rows in buckets that hold a difference: no others may be read where both sides are laid out alike.
static uint64_t rows_in_unequal_buckets(const side *a, const side *b) {
    bool *unequal = calloc(RWD_BUCKETS, sizeof(bool));
    uint64_t rows = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t name = 0; name < TABLES; name++) {
            for (size_t i = 0; i < KEYS; i++) {
                uint8_t key[64];
                size_t size = key_of(a->pointers[name], i, key);
                uint16_t bucket = rwd_hash_bucket(rwd_key_hash((uint16_t)name, rwd_slice_of(key, size)));
                const cell *x = &a->model[name][i], *y = &b->model[name][i];
                if (pass == 0) unequal[bucket] |= !same(x, y);
                else if (unequal[bucket]) rows += (uint64_t)x->present + y->present;
            }
        }
    }
    free(unequal);
    return rows;
}

static void check_compare(const side *a, const side *b, shape how, bool every, size_t stop_at) {
    rwd_compare_pair pairs[2 * TABLES];
    rwd_compare_stats stats;
    rwd_error err;
    rwd_reader_db *old_side, *new_side;
    must(rwd_state_open(a->checkpoint, &old_side, &err), &err);
    must(rwd_state_open(b->checkpoint, &new_side, &err), &err);
    size_t count = rwd_compare_match(a->pointers, a->table_count, b->pointers, b->table_count, pairs), expected = 0;
    for (size_t i = 0; i < count; i++) pairs[i].every_row = every;
    watching *w = calloc(1, sizeof(*w));
    *w = (watching){.a = a, .b = b, .pairs = pairs, .stop_at = stop_at, .every = every};
    rwd_compare_options options = {.old_side = old_side, .new_side = new_side, .pairs = pairs, .pair_count = count, .temp_dir = a->root, .visit = see, .context = w};
    must(rwd_compare_run(&options, &stats, &err), &err);
    for (size_t name = 0; name < TABLES; name++)
        for (size_t i = 0; i < KEYS; i++) expected += expected_of(a, b, how, name, i, every);
    if (stop_at && stop_at < expected) expected = stop_at;
    assert_int_equal(w->told, expected);
    if (how == ALIKE && !every && !stop_at) {
        assert_int_equal(stats.rows_read, rows_in_unequal_buckets(a, b));
        assert_int_equal(stats.same_digest, expected == 0);
        assert_int_equal(stats.differences, expected);
    }
    free(w);
    rwd_state_close(old_side);
    rwd_state_close(new_side);
}

static cell random_cell(test_random *random) {
    return (cell){.present = test_random_below(random, 4) > 0, .n = 1 + (int64_t)test_random_below(random, 3), .s = (int64_t)test_random_below(random, 5)};
}

static void fill(side *s, const cell from[TABLES][KEYS]) {
    memcpy(s->model, from, sizeof(s->model));
    for (size_t name = 0; name < TABLES; name++)
        for (size_t i = 0; s->number_of[name] != SIZE_MAX && i < KEYS; i++) put(s, name, i);
}

static void change_some(side *s, test_random *random, size_t changes) {
    for (size_t i = 0; i < changes; i++) {
        size_t name = test_random_below(random, TABLES), number = test_random_below(random, KEYS);
        if (s->number_of[name] == SIZE_MAX) continue;
        s->model[name][number] = random_cell(random);
        put(s, name, number);
    }
}

static void differences_are_exactly_those_of_the_model(void **state) {
    (void)state;
    test_random random = test_random_of(71);
    for (int round = 0; round < 3; round++) {
        static cell start[TABLES][KEYS];
        for (size_t name = 0; name < TABLES; name++)
            for (size_t i = 0; i < KEYS; i++) start[name][i] = random_cell(&random);
        side *a = malloc(sizeof(*a));
        side_init(a, ALIKE);
        fill(a, start);
        side_checkpoint(a, 0);
        for (shape how = 0; how < SHAPES; how++) {
            side *b = malloc(sizeof(*b));
            side_init(b, how);
            fill(b, start);
            for (unsigned step = 0; step < 4; step++) {
                side_checkpoint(b, step);
                check_compare(a, b, how, false, 0);
                check_compare(a, b, how, true, 0);
                check_compare(a, b, how, false, 1 + test_random_below(&random, 20));
                change_some(b, &random, step == 0 ? 1 : step == 1 ? 5 : 200);
            }
            side_deinit(b);
            free(b);
        }
        side_deinit(a);
        free(a);
    }
}

// What a row of another layout says is compared column by column.
static void columns_of_other_layouts_are_compared_by_what_they_answer(void **state) {
    (void)state;
    side *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    side_init(a, ALIKE);
    side_init(b, COLUMN_WIDER);
    rwd_compare_pair pairs[2 * TABLES];
    assert_int_equal(rwd_compare_match(a->pointers, TABLES, b->pointers, TABLES, pairs), TABLES);
    assert_true(pairs[0].same_keys && !pairs[0].same_rows && pairs[0].same_cell[0] && !pairs[0].same_cell[1] && !pairs[0].lost_column);
    assert_true(pairs[1].same_rows);
    uint8_t old_row[64], new_row[64];
    bool changed[RWD_COLUMNS_MAX];
    for (int64_t more = 0; more < 2; more++) {
        rwd_row_init(a->pointers[0], old_row);
        rwd_row_init(b->pointers[0], new_row);
        rwd_value x = {.i = 7, .present = true}, y = {.d = 7 + more, .present = true};
        const rwd_column *ca = &a->pointers[0]->columns[1], *cb = &b->pointers[0]->columns[1];
        assert_int_equal(ca->update(&ca->how, old_row + ca->offset, &x, &(rwd_moment){0}), RWD_E_NONE);
        assert_int_equal(cb->update(&cb->how, new_row + cb->offset, &y, &(rwd_moment){0}), RWD_E_NONE);
        assert_int_equal(rwd_compare_columns(&pairs[0], old_row, new_row, changed), more);
        assert_false(changed[0]);
        assert_int_equal(changed[1], more);
    }
    side_deinit(a);
    side_deinit(b);
    free(a);
    free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_exactly_those_of_the_model),
        cmocka_unit_test(columns_of_other_layouts_are_compared_by_what_they_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
