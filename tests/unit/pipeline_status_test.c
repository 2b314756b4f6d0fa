// The shapes of a status: OpenMetrics by the rules of its grammar, JSON by shape, screens by what a person looks for.
#include "operator/pipeline/status.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#define NAMES_MAX 256

static rwd_status *sample(void) {
    rwd_status *s = rwd_calloc(1, sizeof(*s));
    s->phase = RWD_PHASE_RUNNING;
    memcpy(s->job, "or\"d\\ers", sizeof("or\"d\\ers"));
    memcpy(s->version, "1.2", 4);
    memcpy(s->source, "a\nb", 4);
    memcpy(s->checkpoint_id, "00000000000000a1", 17);
    s->started_us = 1700000000123456;
    s->stream_time = RWD_TIME_NONE;
    s->read = UINT64_MAX;
    s->checkpoint_offset = -1;
    s->position = INT64_MIN;
    s->checkpoint_ns = 1500000000;
    s->table_count = 2;
    memcpy(s->tables[0].name, "customers", 10);
    s->tables[0].keys = 7;
    memcpy(s->tables[1].name, "countries", 10);
    s->tables[1].keys = 1234567;
    return s;
}

static bool is_name(const char *text, size_t size) {
    if (size == 0 || isdigit((unsigned char)text[0])) return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_' && text[i] != ':') return false;
    return true;
}

// Passes over {name="value",...}; returns what follows, or NULL where the grammar is broken.
static const char *skip_labels(const char *at) {
    if (*at != '{') return at;
    for (at++;;) {
        size_t name = strcspn(at, "=");
        if (!is_name(at, name) || at[name] != '=' || at[name + 1] != '"') return NULL;
        for (at += name + 2; *at != '"'; at++) {
            if (*at == '\\' && !strchr("\\\"n", *++at)) return NULL;
            if (*at == '\0' || *at == '\n') return NULL;
        }
        at++;
        if (*at == '}') return at + 1;
        if (*at++ != ',') return NULL;
    }
}

typedef struct family { char name[64], type[16], unit[16]; bool help; size_t samples; } family;

static bool ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static const char *suffix_of(const char *type) { return strcmp(type, "counter") == 0 ? "_total" : strcmp(type, "info") == 0 ? "_info" : ""; }

static void check_sample(family *f, const char *line) {
    char expected[96];
    size_t size = strcspn(line, "{ ");
    (void)snprintf(expected, sizeof(expected), "%s%s", f->name, suffix_of(f->type));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(line, expected, size);
    const char *value = skip_labels(line + size);
    assert_non_null(value);
    assert_int_equal(*value, ' ');
    char *end;
    double number = strtod(value + 1, &end);
    assert_true(end > value + 1 && *end == '\0');
    assert_true(strcmp(f->type, "counter") != 0 || number >= 0);
    if (strcmp(f->type, "info") == 0) assert_true(number == 1);
    if (strcmp(f->type, "stateset") == 0) assert_true(number == 0 || number == 1);
    f->samples++;
}

// OpenMetrics 1.0, "Text format": a family is TYPE, UNIT, HELP and its samples, in one piece, named once; the text ends in "# EOF".
static void check_text(char *text, family families[], size_t *out_count) {
    size_t count = 0;
    bool ended = false;
    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n');
        assert_non_null(next);
        *next++ = '\0';
        assert_false(ended);
        char name[64], word[16];
        if (strcmp(line, "# EOF") == 0) ended = true;
        else if (sscanf(line, "# TYPE %63s %15s", name, word) == 2) {
            assert_true(is_name(name, strlen(name)) && count < NAMES_MAX);
            for (size_t i = 0; i < count; i++) assert_string_not_equal(families[i].name, name);
            families[count] = (family){0};
            memcpy(families[count].name, name, sizeof(name));
            memcpy(families[count++].type, word, sizeof(word));
        } else if (sscanf(line, "# UNIT %63s %15s", name, word) == 2) {
            assert_string_equal(name, families[count - 1].name);
            assert_true(ends_with(name, word) && name[strlen(name) - strlen(word) - 1] == '_');
        } else if (sscanf(line, "# HELP %63s %15s", name, word) == 2) {
            assert_string_equal(name, families[count - 1].name);
            families[count - 1].help = true;
        } else {
            assert_true(count > 0 && line[0] != '#');
            check_sample(&families[count - 1], line);
        }
    }
    assert_true(ended);
    *out_count = count;
}

static void metrics_keep_the_grammar_whatever_the_values(void **state) {
    (void)state;
    rwd_status *s = sample();
    rwd_buf out = {0};
    family *families = rwd_calloc(NAMES_MAX, sizeof(*families));
    size_t count;
    rwd_status_metrics(s, &out);
    check_text((char *)(uintptr_t)rwd_buf_cstr(&out), families, &count);
    for (size_t i = 0; i < count; i++) {
        assert_true(families[i].help && families[i].samples > 0);
        assert_int_equal(strncmp(families[i].name, "rewind_", 7), 0);
        assert_false(ends_with(families[i].name, "_total"));
    }
    free(families);
    rwd_buf_deinit(&out);
    free(s);
}

static void assert_line(const char *text, const char *line) {
    if (!strstr(text, line)) fail_msg("there is no line '%s' in:\n%s", line, text);
}

static void metrics_say_what_the_status_says(void **state) {
    (void)state;
    rwd_status *s = sample();
    rwd_buf out = {0};
    rwd_status_metrics(s, &out);
    const char *text = rwd_buf_cstr(&out);
    assert_line(text, "\nrewind_records_read_total 18446744073709551615\n");
    assert_line(text, "\nrewind_position_offset -9223372036854775808\n");
    assert_line(text, "\nrewind_checkpoint_duration_seconds 1.5\n");
    assert_line(text, "\nrewind_start_time_seconds 1700000000.12346\n");
    assert_line(text, "\nrewind_operator_info{name=\"or\\\"d\\\\ers\",version=\"1.2\",source=\"a\\nb\",io_tier=\"\"} 1\n");
    assert_line(text, "\nrewind_phase{rewind_phase=\"running\"} 1\n");
    assert_line(text, "\nrewind_phase{rewind_phase=\"parked\"} 0\n");
    assert_line(text, "\nrewind_table_keys{table=\"countries\"} 1234567\n");
    rwd_buf_deinit(&out);
    free(s);
}

static void screens_show_what_a_person_looks_for(void **state) {
    (void)state;
    rwd_status *s = sample();
    s->read = 1234567;
    s->phase = RWD_PHASE_PARKED;
    memcpy(s->reason, "the disk is full", 17);
    memcpy(s->next, "make room", 10);
    rwd_buf out = {0};
    rwd_status_screen(s, &out);
    const char *text = rwd_buf_cstr(&out);
    assert_line(text, ": parked\n");
    assert_line(text, "the disk is full\n");
    assert_line(text, "make room\n");
    assert_line(text, "1,234,567 read");
    assert_line(text, "customers 7, countries 1,234,567\n");
    assert_line(text, "00000000000000a1");
    rwd_buf_clear(&out);
    s->read_live = 3000;
    rwd_status_summary(s, 1500000000, &out);
    assert_line(rwd_buf_cstr(&out), "took          1.50 s, 2,000 records/s\n");
    rwd_buf_deinit(&out);
    free(s);
}

static void every_phase_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int i = 0; i < RWD_PHASE_COUNT; i++)
        for (int j = i + 1; j < RWD_PHASE_COUNT; j++) assert_string_not_equal(rwd_phase_name((rwd_phase)i), rwd_phase_name((rwd_phase)j));
    assert_true(rwd_phase_ready(RWD_PHASE_RUNNING) && rwd_phase_ready(RWD_PHASE_WAITING) && !rwd_phase_ready(RWD_PHASE_PARKED));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_keep_the_grammar_whatever_the_values),
        cmocka_unit_test(metrics_say_what_the_status_says),
        cmocka_unit_test(screens_show_what_a_person_looks_for),
        cmocka_unit_test(every_phase_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
