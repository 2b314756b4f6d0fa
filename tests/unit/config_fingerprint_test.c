// The fingerprint of the logic covers everything that decides a step's result, and nothing else (L4).
#include "tests/unit/config_test.h"

static const char base[] =
    "job: orders\n"
    "source: {file: {path: in.csv, follow: false}, format: csv, csv: {header: true, delimiter: \",\"}}\n"
    "event:\n"
    "  time: {field: ts, format: epoch-ms, ahead: 1h}\n"
    "  max_size: 1000\n"
    "  fields: {customer: string, amount: decimal(2), quantity: int}\n"
    "tables:\n"
    "  customers: {key: [customer, quantity], aggregates: {orders: count(), revenue: sum(amount)}}\n"
    "  amounts: {key: amount, aggregates: {n: count()}}\n"
    "sinks:\n"
    "  - {table: customers, file: {path: out/a}, format: json, emit: commit, fields: [orders, revenue]}\n"
    "  - {table: amounts, file: {path: out/b}, format: json, emit: commit}\n"
    "errors: {dead_letter: {file: {path: out/dead}}}\n"
    "state: {path: data, memory: 64MiB}\n"
    "checkpoints: {every: 1s, keep: {last: 2}, full: {every: 1h, keep: 0}}\n"
    "delivery: {commit_every: 1s}\n"
    "on_stop: exit\n"
    "http: {listen: off}\n";

typedef struct change {
    const char *from, *to;
} change;

static char *changed(const change *c) {
    const char *at = strstr(base, c->from);
    if (!at) fail_msg("not in the job: %s", c->from);
    return rwd_strf("%.*s%s%s", (int)(at - base), base, c->to, at + strlen(c->from));
}

// Which of the two fingerprints a change moves; text and hash must agree on it.
static void compare(const change *c, bool *out_logic, bool *out_sinks) {
    char *text = changed(c);
    rwd_job *a = job_of(base), *b = job_of(text);
    *out_logic = !rwd_hash128_equal(a->logic, b->logic);
    *out_sinks = !rwd_hash128_equal(a->sinks_hash, b->sinks_hash);
    assert_int_equal(*out_logic, strcmp(a->logic_text, b->logic_text) != 0);
    assert_int_equal(*out_sinks, strcmp(a->sinks_text, b->sinks_text) != 0);
    rwd_job_free(a);
    rwd_job_free(b);
    free(text);
}

static void check_all(const change *changes, size_t count, bool logic, bool sinks) {
    for (size_t i = 0; i < count; i++) {
        bool logic_moved, sinks_moved;
        compare(&changes[i], &logic_moved, &sinks_moved);
        if (logic_moved != logic || sinks_moved != sinks)
            fail_msg("%s -> %s: logic %d, sinks %d", changes[i].from, changes[i].to, logic_moved, sinks_moved);
    }
}

static void what_decides_a_result_moves_the_logic(void **state) {
    (void)state;
    static const change changes[] = {
        {"format: csv, csv: {header: true, delimiter: \",\"}", "format: json"},
        {"delimiter: \",\"", "delimiter: \";\""},
        {"field: ts", "field: t2"},
        {"epoch-ms", "epoch-s"},
        {"ahead: 1h", "ahead: 2h"},
        {"max_size: 1000", "max_size: 1001"},
        {"customer: string,", "customer: {type: string, path: Customer},"},
        {"quantity: int", "quantity: decimal(0)"},
        {"quantity: int", "quantity: int, more: string"},
        {"amount: decimal(2)", "amount: decimal(3)"},
        {"key: [customer, quantity]", "key: [quantity, customer]"},
        {"key: [customer, quantity]", "key: customer"},
        {"revenue: sum(amount)", "revenue: max(amount)"},
        {"revenue: sum(amount)", "revenue: sum(quantity)"},
        {"revenue: sum(amount)", "revenue: sum(amount), more: min(amount)"},
        {"revenue: sum(amount)", "revenue: sum(amount * 1)"},
        {"revenue: sum(amount)", "revenue: sum(amount) where amount > 0"},
        {"key: amount,", "key: {amount: -amount},"},
        {"key: amount,", "key: amount, where: amount > 0,"},
    };
    check_all(changes, sizeof changes / sizeof *changes, true, false);
}

static void names_of_tables_and_aggregates_are_part_of_both(void **state) {
    (void)state;
    char *text = rwd_strdup(base);
    rwd_job *a = job_of(text);
    for (char *at; (at = strstr(text, "amounts"));) memcpy(at, "amountz", strlen("amountz"));
    rwd_job *b = job_of(text);
    assert_false(rwd_hash128_equal(a->logic, b->logic));
    assert_false(rwd_hash128_equal(a->sinks_hash, b->sinks_hash));
    rwd_job_free(a);
    rwd_job_free(b);
    free(text);
}

static void what_decides_what_is_published_moves_the_sinks_only(void **state) {
    (void)state;
    static const change changes[] = {
        {"path: out/a", "path: out/c"},
        {"format: json, emit: commit, fields", "format: csv, emit: commit, fields"},
        {"emit: commit, fields", "emit: update, fields"},
        {"fields: [orders, revenue]", "fields: [revenue, orders]"},
        {"fields: [orders, revenue]", "fields: [orders]"},
        {"fields: [orders, revenue]", "fields: [orders, revenue], where: orders > 1"},
        {"aggregates: {n: count()}", "aggregates: {n: count()}, derived: {m: n + 1}"},
        {"  - {table: amounts, file: {path: out/b}, format: json, emit: commit}\n", ""},
    };
    check_all(changes, sizeof changes / sizeof *changes, false, true);
}

static void places_sizes_and_cadences_move_nothing(void **state) {
    (void)state;
    static const change changes[] = {
        {"job: orders", "job: other"},
        {"key: amount,", "key: {amount: (amount)},"},
        {"sum(amount)", "sum( ( amount ) )"},
        {"path: in.csv", "path: elsewhere/in.csv"},
        {"follow: false", "follow: true"},
        {"path: data", "path: other"},
        {"path: out/a", "path: elsewhere/a"},
        {"path: out/dead", "path: elsewhere/dead-letters"},
        {"errors: {dead_letter: {file: {path: out/dead}}}\n", ""},
        {"memory: 64MiB", "memory: 1GiB"},
        {"checkpoints: {every: 1s", "checkpoints: {every: 2s"},
        {"last: 2", "last: 5"},
        {"every: 1h, keep: 0", "every: 2h, keep: 3"},
        {"delivery: {commit_every: 1s}", "delivery: {commit_at: {offset_multiple: 5}}"},
        {"on_stop: exit", "on_stop: park"},
        {"listen: off", "listen: \"h:1\""},
        {"max_size: 1000", "max_size: 1000B"},
        {"ahead: 1h", "ahead: 60m"},
        {", fields: [orders, revenue]", ""},
        {"amount: decimal(2)", "amount: {type: decimal(2), path: amount}"},
        {"key: amount,", "key: [amount],"},
        {"sum(amount)", "\" sum ( amount ) \""},
    };
    check_all(changes, sizeof changes / sizeof *changes, false, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_decides_a_result_moves_the_logic),
        cmocka_unit_test(names_of_tables_and_aggregates_are_part_of_both),
        cmocka_unit_test(what_decides_what_is_published_moves_the_sinks_only),
        cmocka_unit_test(places_sizes_and_cadences_move_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
