// Generated orders, read back by the decoder: each is what its order says, and each bad one gets the fault that its kind announces.
#include "operator/source/generate.h"
#include "tests/unit/logic_support.h"

#define EVENT                                                                                                                     \
    "  fields: {id: int, ts: {type: time, format: epoch-ms}, customer: string, country: string, sku: string, quantity: int, amount: decimal(2)}"
#define TABLES "  t: {key: customer, aggregates: {n: count()}}"

static rwd_generate options_of(bool csv) {
    return (rwd_generate){.seed = 7, .csv = csv, .keys = 1000, .start_ms = 1767225600000, .per_second = 100, .bad_per_million = 200000};
}

static void check_orders(bool csv) {
    rwd_generate options = options_of(csv);
    rwd_job *job = job_of(csv ? "csv, csv: {header: false}" : "json", EVENT, TABLES);
    int seen[RWD_BAD_COUNT + 1] = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        char bytes[RWD_GENERATE_BYTES_MAX];
        size_t size = rwd_generate_record(&options, i, bytes);
        rwd_order order = rwd_generate_order(&options, i);
        assert_int_equal(bytes[size - 1], '\n');
        char *got = decode_bytes(job, NULL, 0, bytes, size - 1);
        char wanted[200], time[RWD_TIME_TEXT_MAX];
        (void)rwd_time_text(order.ts_ms * 1000, time);
        (void)snprintf(wanted, sizeof wanted, "%llu|%s|c%07llu|%s|s%04u|%lld|%lld.%02lld", (unsigned long long)order.id, time,
                       (unsigned long long)order.customer, order.country, order.sku, (long long)order.quantity, (long long)(order.cents / 100),
                       (long long)(order.cents % 100));
        if (order.bad == RWD_BAD_NONE) {
            assert_string_equal(got, wanted);
        } else {
            (void)snprintf(wanted, sizeof wanted, "!%s", rwd_code_name(rwd_bad_code(order.bad)));
            assert_memory_equal(got, wanted, strlen(wanted));
        }
        assert_true(order.customer < options.keys);
        seen[order.bad]++;
        free(got);
    }
    for (int bad = 0; bad < RWD_BAD_COUNT; bad++) assert_true(seen[bad] > 30);
    assert_true(seen[RWD_BAD_NONE] > 2000);
    rwd_job_free(job);
}

static void json_orders_are_what_they_say(void **state) {
    (void)state;
    check_orders(false);
}
static void csv_orders_are_what_they_say(void **state) {
    (void)state;
    check_orders(true);
}

static void the_same_seed_gives_the_same_bytes_and_another_one_does_not(void **state) {
    (void)state;
    rwd_generate options = options_of(false), other = options;
    other.seed++;
    int different = 0;
    for (uint64_t i = 1000; i > 0; i--) {
        char a[RWD_GENERATE_BYTES_MAX], b[RWD_GENERATE_BYTES_MAX];
        size_t size = rwd_generate_record(&options, i, a);
        assert_int_equal(rwd_generate_record(&options, i, b), size);
        assert_memory_equal(a, b, size);
        size_t other_size = rwd_generate_record(&other, i, b);
        different += other_size != size || memcmp(a, b, size) != 0;
    }
    assert_true(different > 990);
}

static void times_rise_by_the_rate(void **state) {
    (void)state;
    rwd_generate options = options_of(false);
    assert_int_equal(rwd_generate_order(&options, 0).ts_ms, options.start_ms);
    assert_int_equal(rwd_generate_order(&options, 250).ts_ms, options.start_ms + 2500);
    assert_int_equal(rwd_generate_order(&options, UINT64_C(1000000000000)).ts_ms, options.start_ms + INT64_C(10000000000000));
}

// Customers of 100,000 orders: spread evenly they all come, each about 100 times; skewed, a tenth of them place most of the orders.
static void a_skew_makes_few_customers_place_most_orders(void **state) {
    (void)state;
    for (int skewed = 0; skewed < 2; skewed++) {
        rwd_generate options = options_of(false);
        options.skewed = skewed;
        int counts[1000] = {0}, often = 0, never = 0;
        for (uint64_t i = 0; i < 100000; i++) counts[rwd_generate_order(&options, i).customer]++;
        long in_often = 0;
        for (int i = 0; i < 1000; i++) {
            never += counts[i] == 0;
            if (counts[i] <= 200) continue;
            often++;
            in_often += counts[i];
        }
        assert_int_equal(never, 0);
        if (skewed) assert_true(often > 20 && often < 150 && in_often > 50000);
        else assert_int_equal(often, 0);
    }
}

static void any_record_fits_its_bound(void **state) {
    (void)state;
    rwd_generate options = {.seed = UINT64_MAX, .keys = RWD_GENERATE_KEYS_MAX, .skewed = true, .start_ms = INT64_MIN / 2, .per_second = 1000000000};
    for (uint64_t i = 0; i < 1000; i++) {
        char bytes[RWD_GENERATE_BYTES_MAX];
        assert_true(rwd_generate_record(&options, UINT64_MAX - i * 12345, bytes) <= sizeof bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_orders_are_what_they_say),
        cmocka_unit_test(csv_orders_are_what_they_say),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_one_does_not),
        cmocka_unit_test(times_rise_by_the_rate),
        cmocka_unit_test(a_skew_makes_few_customers_place_most_orders),
        cmocka_unit_test(any_record_fits_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
