// The rows of a transaction: their order against qsort, the newest row of a key, memory that is kept and accounted.
#include "operator/sink/transaction.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

typedef struct put {
    size_t output, number;
    char key[32];
    uint8_t row[40];
    uint32_t row_size;
    bool gone;
} put;

static int by_output_key_number(const void *a, const void *b) {
    const put *x = a, *y = b;
    if (x->output != y->output) return x->output < y->output ? -1 : 1;
    int order = x->output % 2 == 0 ? rwd_slice_compare(rwd_slice_str(x->key), rwd_slice_str(y->key)) : 0;
    return order != 0 ? order : x->number < y->number ? -1 : 1;
}

static put random_put(test_random *r, size_t number, size_t outputs, uint64_t keys) {
    put p = {.output = test_random_below(r, outputs), .number = number, .gone = test_random_below(r, 8) == 0};
    // Keys of all lengths, with long common beginnings.
    (void)snprintf(p.key, sizeof(p.key), "%.*s%llu", (int)test_random_below(r, 10), "prefixprefix", (unsigned long long)test_random_below(r, keys));
    p.row_size = (uint32_t)test_random_below(r, sizeof(p.row) + 1);
    for (uint32_t i = 0; i < p.row_size; i++) p.row[i] = (uint8_t)test_random_u64(r);
    return p;
}

// Even outputs are sorted by key, the newest row of each; odd ones are as put.
static void assert_order(const rwd_transaction *txn, put *puts, size_t count, size_t outputs) {
    qsort(puts, count, sizeof(put), by_output_key_number);
    size_t seen[RWD_SINKS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        const put *p = &puts[i];
        bool sorted = p->output % 2 == 0;
        if (sorted && i + 1 < count && puts[i + 1].output == p->output && strcmp(puts[i + 1].key, p->key) == 0) continue;
        assert_true(seen[p->output] < rwd_transaction_count(txn, p->output));
        rwd_transaction_row row = rwd_transaction_at(txn, p->output, seen[p->output]++);
        assert_true(rwd_slice_equal(row.key, rwd_slice_str(p->key)));
        assert_int_equal(row.offset, p->number);
        assert_int_equal(row.row == NULL, p->gone);
        if (!p->gone) assert_true(rwd_slice_equal(rwd_slice_of(row.row, row.row_size), rwd_slice_of(p->row, p->row_size)));
    }
    for (size_t o = 0; o < outputs; o++) assert_int_equal(seen[o], rwd_transaction_count(txn, o));
}

static void rows_come_by_key_or_as_put_and_the_newest_of_a_key_stays(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    rwd_transaction *txn = rwd_transaction_new(NULL);
    bool by_key[RWD_SINKS_MAX] = {0};
    for (size_t o = 0; o < RWD_SINKS_MAX; o += 2) by_key[o] = true;
    for (unsigned round = 0; round < 60; round++) {
        size_t outputs = 1 + test_random_below(&r, RWD_SINKS_MAX), count = test_random_below(&r, round % 10 == 0 ? 20000 : 200);
        put *puts = rwd_calloc(count + 1, sizeof(put));
        uint64_t keys = 1 + test_random_below(&r, count + 1);
        for (size_t i = 0; i < count; i++) {
            put *p = &puts[i];
            *p = random_put(&r, i, outputs, keys);
            rwd_transaction_put(txn, p->output, rwd_slice_str(p->key), p->gone ? NULL : p->row, p->gone ? 0 : p->row_size, (int64_t)i);
        }
        rwd_transaction_order(txn, by_key);
        assert_order(txn, puts, count, outputs);
        free(puts);
        rwd_transaction_clear(txn);
    }
    rwd_transaction_free(txn);
}

static void memory_is_accounted_and_kept_for_the_next_transaction(void **state) {
    (void)state;
    rwd_budget budget;
    rwd_error err;
    assert_true(rwd_budget_init(&budget, RWD_BUDGET_MIN, &err));
    rwd_transaction *txn = rwd_transaction_new(&budget);
    bool by_key[RWD_SINKS_MAX] = {true};
    uint64_t first = 0;
    for (unsigned round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 20000; i++) {
            uint8_t key[4];
            rwd_put_be32(key, i * 2654435761u);
            rwd_transaction_put(txn, 0, rwd_slice_of(key, sizeof(key)), key, sizeof(key), i);
        }
        uint64_t pending = rwd_transaction_bytes(txn);
        rwd_transaction_order(txn, by_key);
        uint64_t used = budget.used[RWD_SHARE_SINK];
        if (round == 0) first = used;
        assert_int_equal(used, first);
        assert_in_range(used, pending, pending + pending / 8 + 2 * RWD_TRANSACTION_CHUNK);
        rwd_transaction_clear(txn);
        assert_int_equal(rwd_transaction_bytes(txn), 0);
    }
    rwd_transaction_free(txn);
    assert_int_equal(budget.used[RWD_SHARE_SINK], 0);
}

static void the_largest_key_and_row_fit(void **state) {
    (void)state;
    rwd_transaction *txn = rwd_transaction_new(NULL);
    uint8_t *bytes = rwd_malloc(RWD_ROW_BYTES_MAX);
    for (unsigned i = 0; i < 20; i++) {
        memset(bytes, (int)i, RWD_ROW_BYTES_MAX);
        rwd_transaction_put(txn, 3, rwd_slice_of(bytes, RWD_KEY_BYTES_MAX), bytes, RWD_ROW_BYTES_MAX, i);
    }
    rwd_transaction_order(txn, (bool[RWD_SINKS_MAX]){0});
    for (unsigned i = 0; i < 20; i++) {
        rwd_transaction_row row = rwd_transaction_at(txn, 3, i);
        memset(bytes, (int)i, RWD_ROW_BYTES_MAX);
        assert_true(rwd_slice_equal(row.key, rwd_slice_of(bytes, RWD_KEY_BYTES_MAX)));
        assert_true(rwd_slice_equal(rwd_slice_of(row.row, row.row_size), rwd_slice_of(bytes, RWD_ROW_BYTES_MAX)));
    }
    free(bytes);
    rwd_transaction_free(txn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_by_key_or_as_put_and_the_newest_of_a_key_stays),
        cmocka_unit_test(memory_is_accounted_and_kept_for_the_next_transaction),
        cmocka_unit_test(the_largest_key_and_row_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
