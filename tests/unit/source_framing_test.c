// Where records end, against a model that looks at one byte after the other.
#include "operator/source/csv.h"
#include "operator/source/framing.h"

#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define BYTES_MAX 600

// The model: RFC 4180 by its grammar, byte by byte.
typedef struct model {
    bool csv, at_field, in_quotes, after_quote;
    uint8_t delimiter;
} model;

static bool model_ends(model *m, uint8_t c) {
    if (!m->csv) return c == '\n';
    if (m->in_quotes && !m->after_quote) {
        m->after_quote = c == '"';
        return false;
    }
    if (m->in_quotes && c == '"') {
        m->after_quote = false;
        return false;
    }
    m->in_quotes = m->after_quote = false;
    if (m->at_field && c == '"') {
        m->in_quotes = true;
        m->at_field = false;
        return false;
    }
    m->at_field = c == m->delimiter || c == '\n';
    return c == '\n';
}

static size_t model_ends_of(bool csv, const uint8_t *data, size_t size, size_t *ends) {
    model m = {.csv = csv, .at_field = true, .delimiter = ','};
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        if (model_ends(&m, data[i])) ends[count++] = i;
    return count;
}

static void check(bool csv, const uint8_t *data, size_t size, test_random *cuts) {
    size_t wanted[BYTES_MAX], got[BYTES_MAX];
    size_t wanted_count = model_ends_of(csv, data, size, wanted), count = 0;
    rwd_framing framing = rwd_framing_of(csv, ',');
    for (size_t at = 0; at < size;) {
        size_t piece = cuts ? 1 + test_random_below(cuts, 40) : size;
        if (piece > size - at) piece = size - at;
        uint8_t *exact = malloc(piece);  // a read outside of the piece is seen
        memcpy(exact, data + at, piece);
        size_t from = 0;
        while (from < piece) {
            size_t found = rwd_framing_find(&framing, exact + from, piece - from);
            if (found < piece - from) got[count++] = at + from + found;
            from += found + 1;
        }
        free(exact);
        at += piece;
    }
    assert_int_equal(count, wanted_count);
    assert_memory_equal(got, wanted, count * sizeof got[0]);
}

static void records_are_those_of_the_grammar_however_they_are_cut(void **state) {
    (void)state;
    static const char alphabet[] = "aaaa\"\",\n\r";
    test_random random = test_random_of(11);
    for (int i = 0; i < 20000; i++) {
        uint8_t data[BYTES_MAX];
        size_t size = 1 + test_random_below(&random, i % 10 ? 60 : BYTES_MAX - 1);
        size_t letters = 2 + test_random_below(&random, sizeof alphabet - 2);  // the rarer ones only sometimes
        for (size_t j = 0; j < size; j++) data[j] = (uint8_t)alphabet[test_random_below(&random, letters)];
        check(true, data, size, NULL);
        check(true, data, size, &random);
        check(false, data, size, &random);
    }
}

static void check_row(const char *text, const char *wanted) {
    uint8_t bytes[256] = {0};
    memcpy(bytes, text, strlen(text));
    rwd_csv_row row = rwd_csv_row_of(rwd_slice_of(bytes, strlen(text)), ',');
    rwd_csv_field field;
    const char *mistake;
    rwd_buf out = {0};
    while (rwd_csv_next(&row, &field, &mistake)) {
        uint8_t plain[256];
        size_t size = field.text.size;
        if (field.escaped) size = rwd_csv_unescape(field.text, plain);
        else memcpy(plain, field.text.data, size);
        rwd_buf_appendf(&out, "[%.*s]%s", (int)size, (const char *)plain, field.quoted ? "q" : "");
    }
    if (mistake) rwd_buf_appendf(&out, "!%s at %zu", mistake, (size_t)(row.at - row.begin));
    assert_string_equal(rwd_buf_cstr(&out), wanted);
    rwd_buf_deinit(&out);
}

static void rows_are_taken_apart(void **state) {
    (void)state;
    check_row("", "[]");
    check_row("a", "[a]");
    check_row(",", "[][]");
    check_row("a,b,", "[a][b][]");
    check_row("\"a\",\"\",\"x,\"\"y\"\"\nz\"", "[a]q[]q[x,\"y\"\nz]q");
    check_row("0123456789abcdef,0123456789abcdef0,x", "[0123456789abcdef][0123456789abcdef0][x]");
}

static void mistakes_in_a_row_have_a_place(void **state) {
    (void)state;
    check_row("ab,c\"d", "[ab]!a quote inside an unquoted field at 4");
    check_row("ab,\"c\"d", "[ab]!something between a closing quote and the delimiter at 6");
    check_row("ab,\"cd", "[ab]!a quote that is never closed at 3");
    check_row("ab,c\rd", "[ab]!a line break inside an unquoted field at 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_those_of_the_grammar_however_they_are_cut),
        cmocka_unit_test(rows_are_taken_apart),
        cmocka_unit_test(mistakes_in_a_row_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
