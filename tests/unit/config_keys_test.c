// The key table is whole, and the schema and the manual say of every key what it says.
#include "operator/config/keys.h"
#include "operator/config/yaml.h"
#include "tests/unit/config_test.h"

static void every_key_stands_behind_what_holds_it_and_is_described(void **state) {
    (void)state;
    const rwd_key *key;
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        bool held = false;
        for (size_t h = 0; h < i; h++) held = held || (rwd_key_is_inside(key, rwd_key_at(h)) && rwd_key_is_container(rwd_key_at(h)));
        if (!held) fail_msg("%s: nothing before it holds it", key->path);
        for (size_t h = 0; h < i; h++) assert_string_not_equal(key->path, rwd_key_at(h)->path);
        if (!key->doc || !key->example) fail_msg("%s: no doc or no example", key->path);
        if (key->required && key->fallback) fail_msg("%s: required, and has a default", key->path);
        if (key->environment && !rwd_key_is_settable(key)) fail_msg("%s: the environment cannot set it", key->path);
        if (key->only && !key->applies) fail_msg("%s: says when it has a meaning, but nobody asks", key->path);
    }
    assert_string_equal(rwd_key_at(0)->path, "");
}

static void every_default_and_every_example_is_a_value_of_its_key(void **state) {
    (void)state;
    const rwd_key *key;
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        rwd_error err;
        if (rwd_key_is_container(key)) continue;
        if (key->fallback && !rwd_key_read(key, key->path, key->fallback, NULL, &err)) fail_msg("%s: default: %s", key->path, err.cause);
        char *example = rwd_strdup(key->example[0] == '"' ? key->example + 1 : key->example);
        if (key->example[0] == '"') example[strlen(example) - 1] = '\0';
        if (!rwd_key_read(key, key->path, example, NULL, &err)) fail_msg("%s: example: %s", key->path, err.cause);
        free(example);
    }
}

// What a person copies out of a message works: every example, in a job that is whole otherwise.
static void every_example_of_a_section_is_accepted_in_a_job(void **state) {
    (void)state;
    static const char *const sections[] = {"sinks", "state", "checkpoints", "delivery", "errors", "http"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const char *fields = "event: {fields: {customer: string, amount: decimal(2)}}\ntables: {customers: {key: customer, aggregates: {orders: count()}}}\n";
        char *text = rwd_strf("job: j\nsource: %s\n%s%s: %s\n", rwd_key_by_path("source")->example, fields, sections[i], rwd_key_by_path(sections[i])->example);
        rwd_job_free(job_of(text));
        free(text);
    }
    char *text = rwd_strf("job: j\nsource: %s\nevent: %s\ntables: %s\n", rwd_key_by_path("source")->example, rwd_key_by_path("event")->example,
                          rwd_key_by_path("tables")->example);
    rwd_job_free(job_of(text));
    free(text);
}

static void limits_are_inclusive(void **state) {
    (void)state;
    const rwd_key *key;
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        if (key->kind != RWD_KEY_INT && key->kind != RWD_KEY_SIZE && key->kind != RWD_KEY_DURATION) continue;
        const char *unit = key->kind == RWD_KEY_DURATION ? "ns" : "";
        for (int side = 0; side < 2; side++) {
            int64_t limit = side ? key->max : key->min, beyond = side ? limit + 1 : limit - 1;
            char *good = rwd_strf("%lld%s", (long long)limit, unit), *bad = rwd_strf("%lld%s", (long long)beyond, unit);
            rwd_error err;
            if (!rwd_key_read(key, key->path, good, NULL, &err)) fail_msg("%s: %s", key->path, err.cause);
            assert_false(rwd_key_read(key, key->path, bad, NULL, &err));
            free(good);
            free(bad);
        }
    }
}

static void environment_names_are_the_path_in_capitals(void **state) {
    (void)state;
    char name[128];
    rwd_key_environment_name(rwd_key_by_path("state.path"), name);
    assert_string_equal(name, "REWIND_STATE_PATH");
    rwd_key_environment_name(rwd_key_by_path("checkpoints.keep.last"), name);
    assert_string_equal(name, "REWIND_CHECKPOINTS_KEEP_LAST");
    rwd_key_environment_name(rwd_key_by_path("http.listen"), name);
    assert_string_equal(name, "REWIND_HTTP_LISTEN");
}

// ---- schema

// The part of the schema that describes `key`; the long form where there are two.
static const rwd_node *schema_of(const rwd_node *root, const rwd_key *key) {
    if (key->path[0] == '\0') return root;
    const rwd_key *holder = NULL;
    for (size_t i = 0; rwd_key_at(i); i++)
        if (rwd_key_is_inside(key, rwd_key_at(i))) holder = rwd_key_at(i);
    const rwd_node *outer = schema_of(root, holder);
    const rwd_node *forms = rwd_node_member(outer, "anyOf");
    if (forms && rwd_key_is_container(holder)) outer = forms->last;
    if (holder->kind == RWD_KEY_MAP) return rwd_node_member(outer, "additionalProperties");
    if (holder->kind == RWD_KEY_LIST) return rwd_node_member(outer, "items");
    return rwd_node_member(rwd_node_member(outer, "properties"), rwd_key_name(key));
}

static bool lists(const rwd_node *list, const char *word) {
    for (const rwd_node *item = list->first; item; item = item->next)
        if (strcmp(item->text, word) == 0) return true;
    return false;
}

static void check_group_schema(const rwd_node *schema, const rwd_key *group) {
    const rwd_node *forms = rwd_node_member(schema, "anyOf"), *long_form = forms ? forms->last : schema;
    const rwd_node *additional = rwd_node_member(long_form, "additionalProperties");
    assert_non_null(additional);
    assert_string_equal(additional->text, "false");
    size_t members = 0;
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (!rwd_key_is_inside(key, group)) continue;
        members++;
        assert_int_equal(lists(rwd_node_member(long_form, "required"), rwd_key_name(key)), key->required && !key->environment && !key->unless);
    }
    assert_int_equal(rwd_node_member(long_form, "properties")->count, members);
}

static void the_schema_describes_every_key_where_it_stands(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_arena arena = {0};
    rwd_node *root;
    rwd_error err;
    rwd_job_schema(&text);
    if (!rwd_yaml_parse("schema", rwd_buf_slice(&text), &arena, &root, &err)) fail_msg("%s: %s", err.place, err.cause);
    assert_string_equal(rwd_node_member(root, "$schema")->text, "https://json-schema.org/draft/2020-12/schema");
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        const rwd_node *schema = schema_of(root, key);
        if (!schema) fail_msg("%s is not in the schema", key->path);
        assert_string_equal(rwd_node_member(schema, "description")->text, key->doc);
        if (key->fallback) assert_string_equal(rwd_node_member(schema, "default")->text, key->fallback);
        else assert_null(rwd_node_member(schema, "default"));
        if (key->kind == RWD_KEY_GROUP) check_group_schema(schema, key);
    }
    rwd_arena_deinit(&arena);
    rwd_buf_deinit(&text);
}

// ---- manual

static void the_manual_has_a_line_for_every_key(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_job_manual(&text);
    const char *manual = rwd_buf_cstr(&text);
    const rwd_key *key;
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        char environment[160];
        rwd_key_environment_name(key, environment);
        if (!strstr(manual, key->doc)) fail_msg("%s is not in the manual", key->path);
        if (key->environment && !strstr(manual, environment)) fail_msg("%s is not in the manual", environment);
    }
    assert_non_null(strstr(manual, "| `tables.NAME.aggregates.NAME` |"));
    assert_non_null(strstr(manual, "| `decimal` |"));
    assert_non_null(strstr(manual, "| `sum(FIELD)` |"));
    rwd_buf_deinit(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_stands_behind_what_holds_it_and_is_described),
        cmocka_unit_test(every_default_and_every_example_is_a_value_of_its_key),
        cmocka_unit_test(every_example_of_a_section_is_accepted_in_a_job),
        cmocka_unit_test(limits_are_inclusive),
        cmocka_unit_test(environment_names_are_the_path_in_capitals),
        cmocka_unit_test(the_schema_describes_every_key_where_it_stands),
        cmocka_unit_test(the_manual_has_a_line_for_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
