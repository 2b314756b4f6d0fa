// L3: what may begin at an offset and what only at genesis.
#include "operator/config/logic_compare.h"
#include "tests/unit/config_test.h"

static const char base[] =
    "job: orders\n"
    "source: {file: {path: in.jsonl}, format: json}\n"
    "event:\n"
    "  id: event_id\n"
    "  time: {field: ts, format: epoch-ms, ahead: 1h}\n"
    "  dedup: {within: 24h}\n"
    "  fields: {event_id: string, customer: string, amount: decimal(2), quantity: int}\n"
    "tables:\n"
    "  customers: {key: customer, where: quantity > 0, aggregates: {orders: count(), revenue: sum(amount)}}\n"
    "  hourly: {key: customer, window: {tumbling: 1h, grace: 5m, retain: 30d}, aggregates: {orders: count()}}\n";

static void compare(const char *from, const char *to, rwd_logic_comparison *out) {
    const char *at = strstr(base, from);
    if (!at) fail_msg("not in the job: %s", from);
    char *text = rwd_strf("%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    rwd_job *a = job_of(base), *b = job_of(text);
    rwd_logic_compare(a, b, out);
    rwd_job_free(a);
    rwd_job_free(b);
    free(text);
}

static void check(const char *from, const char *to, rwd_logic_relation relation, const char *what) {
    rwd_logic_comparison out;
    compare(from, to, &out);
    if (out.relation != relation || !strstr(out.what, what)) fail_msg("%s -> %s: %d, %s", from, to, (int)out.relation, out.what);
}

static void what_shapes_state_begins_at_genesis_only(void **state) {
    (void)state;
    check("customers: {key: customer", "customers: {key: [customer, quantity]", RWD_LOGIC_GENESIS, "the key of table 'customers'");
    check("customers: {key: customer", "customers: {key: {customer: lower(customer)}", RWD_LOGIC_GENESIS, "the key of table 'customers'");
    check("customer: string", "customer: int", RWD_LOGIC_GENESIS, "part 'customer' of the key of table 'customers' has another type");
    check("tumbling: 1h", "tumbling: 2h", RWD_LOGIC_GENESIS, "table 'hourly' has another window");
    check("grace: 5m", "grace: 6m", RWD_LOGIC_GENESIS, "another window");
    check("retain: 30d", "retain: 31d", RWD_LOGIC_GENESIS, "another window");
    check("dedup: {within: 24h}", "dedup: {within: 25h}", RWD_LOGIC_GENESIS, "event.dedup.within");
    check("id: event_id", "id: customer", RWD_LOGIC_GENESIS, "event.id");
    check("amount: decimal(2)", "amount: decimal(3)", RWD_LOGIC_GENESIS, "aggregate 'revenue' of table 'customers' has another type");
    check("revenue: sum(amount)", "revenue: max(amount)", RWD_LOGIC_GENESIS, "aggregate 'revenue' of table 'customers' has another type");
    check("revenue: sum(amount)", "revenue: sum(amount * quantity * 0.1)", RWD_LOGIC_GENESIS, "another type");
    check("orders: count(), revenue", "revenue", RWD_LOGIC_GENESIS, "aggregate 'orders' of table 'customers' is gone");
    check("hourly:", "daily:", RWD_LOGIC_GENESIS, "table 'hourly' is gone");
    check("  hourly:", "  more: {key: customer, aggregates: {n: count()}}\n  hourly:", RWD_LOGIC_GENESIS, "table 'hourly' stands in another place");
}

static void what_decides_events_to_come_may_begin_anywhere(void **state) {
    (void)state;
    check("where: quantity > 0", "where: quantity >= 0", RWD_LOGIC_COMPATIBLE, "quantity >= 0");
    check("sum(amount)", "sum(amount) where quantity > 3", RWD_LOGIC_COMPATIBLE, "quantity > 3");
    check("revenue: sum(amount)", "revenue: sum(amount * quantity)", RWD_LOGIC_COMPATIBLE, "amount * quantity");
    check("amount: decimal(2)", "amount: {type: decimal(2), path: total}", RWD_LOGIC_COMPATIBLE, "total");
    check("ahead: 1h", "ahead: 2h", RWD_LOGIC_COMPATIBLE, "ahead");
    check("format: epoch-ms", "format: epoch-s", RWD_LOGIC_COMPATIBLE, "epoch-s");
    check("orders: count(), revenue", "paid: max(amount), orders: count(), revenue", RWD_LOGIC_COMPATIBLE, "aggregate 'paid' of table 'customers' is new");
    check("retain: 30d}, aggregates: {orders: count()}}\n", "retain: 30d}, aggregates: {orders: count()}}\n  more: {key: quantity, aggregates: {n: count()}}\n",
          RWD_LOGIC_COMPATIBLE, "table 'more' is new");
    check("job: orders", "job: others", RWD_LOGIC_SAME, "");
}

static void a_column_goes_on_from_the_one_of_its_name(void **state) {
    (void)state;
    const char *from = "orders: count(), revenue";
    char *text = rwd_strf("%.*spaid: max(amount), revenue: sum(amount), orders: count()}}\n%s", (int)(strstr(base, from) - base), base, strstr(base, "  hourly:"));
    rwd_job *a = job_of(base), *b = job_of(text);
    rwd_logic_comparison out;
    rwd_logic_compare(a, b, &out);
    assert_int_equal(out.relation, RWD_LOGIC_COMPATIBLE);
    assert_int_equal(out.new_columns, 1);
    assert_int_equal(rwd_logic_column_before(a, b, 0, 0), -1);
    assert_int_equal(rwd_logic_column_before(a, b, 0, 1), 1);
    assert_int_equal(rwd_logic_column_before(a, b, 0, 2), 0);
    assert_int_equal(rwd_logic_column_before(a, b, 1, 0), 0);
    rwd_job_free(a);
    rwd_job_free(b);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_shapes_state_begins_at_genesis_only),
        cmocka_unit_test(what_decides_events_to_come_may_begin_anywhere),
        cmocka_unit_test(a_column_goes_on_from_the_one_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
