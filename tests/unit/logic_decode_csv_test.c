// CSV rows: what is accepted, and which fault what is not gets.
#include "tests/unit/logic_support.h"

#define TABLES "  t: {key: name, aggregates: {n: count()}}"
#define FIELDS "  fields: {name: string, amount: decimal(2), quantity: int, paid: bool}"

static const char *const header[] = {"quantity", "name", "note", "paid", "amount"};

static rwd_job *job;
static int begin(void **state) {
    (void)state;
    job = job_of("csv", FIELDS, TABLES);
    return 0;
}
static int end(void **state) {
    (void)state;
    rwd_job_free(job);
    return 0;
}

static void check(const char *row, const char *wanted) {
    char *got = decode_bytes(job, header, 5, row, strlen(row));
    if (strcmp(got, wanted) != 0) fail_msg("%s\n  gives  %s\n  wanted %s", row, got, wanted);
    free(got);
}

static void columns_are_found_by_the_header(void **state) {
    (void)state;
    check("3,a,anything,true,1.5", "a|1.50|3|true");
    check("-3.0,a b,,false,-0.01", "a b|-0.01|-3|false");
}

static void quoted_fields_hold_delimiters_quotes_and_newlines(void **state) {
    (void)state;
    check("3,\"a,b\",\"x\",true,1.5", "a,b|1.50|3|true");
    check("3,\"say \"\"hi\"\"\",x,true,1.5", "say \"hi\"|1.50|3|true");
    check("3,\"\"\"\",x,true,1.5", "\"|1.50|3|true");
    check("\"3\",\"line 1\r\nline 2\",x,\"true\",\"1.5\"", "line 1\r\nline 2|1.50|3|true");
}

static void an_empty_field_is_missing_and_an_empty_quoted_one_is_an_empty_text(void **state) {
    (void)state;
    check("3,,x,true,1.5", "!missing-field name");
    check("3,\"\",x,true,1.5", "|1.50|3|true");
    check("3,a,x,true,", "!missing-field amount");
    check("\"\",a,x,true,1.5", "!wrong-type quantity");
    check("3, ,x,true,1.5", " |1.50|3|true");
}

static void a_text_that_is_not_of_its_type_is_a_wrong_type(void **state) {
    (void)state;
    check("three,a,x,true,1.5", "!wrong-type quantity");
    check("3.5,a,x,true,1.5", "!wrong-type quantity");
    check(" 3,a,x,true,1.5", "!wrong-type quantity");
    check("3,a,x,yes,1.5", "!wrong-type paid");
    check("3,a,x,TRUE,1.5", "!wrong-type paid");
    check("3,a,x,1,1.5", "!wrong-type paid");
    check("3,a,x,true,$5", "!wrong-type amount");
    check("3,a,x,true,NaN", "!wrong-type amount");
}

static void a_number_that_does_not_fit_is_out_of_range(void **state) {
    (void)state;
    check("9223372036854775808,a,x,true,1.5", "!out-of-range quantity");
    check("3,a,x,true,1.555", "!out-of-range amount");
}

static void a_row_of_the_wrong_length_is_malformed(void **state) {
    (void)state;
    check("3,a,x,true", "!malformed");
    check("3", "!malformed");
    check("3,a,x,true,1.5,", "!malformed");
    check("3,a,x,true,1.5,more", "!malformed");
}

static void a_quote_out_of_place_is_malformed(void **state) {
    (void)state;
    check("3,a\"b,x,true,1.5", "!malformed");
    check("3,a,5\",true,1.5", "!malformed");
    check("3,\"a\"b,x,true,1.5", "!malformed");
    check("3,\"a\" ,x,true,1.5", "!malformed");
    check("3, \"a\",x,true,1.5", "!malformed");
    check("3,\"a,x,true,1.5", "!malformed");
    check("3,a,x,true,\"1.5", "!malformed");
}

static void a_line_break_outside_of_quotes_is_malformed(void **state) {
    (void)state;
    check("3,a\rb,x,true,1.5", "!malformed");
    check("3,a\nb,x,true,1.5", "!malformed");
}

static void invalid_utf8_is_malformed_in_any_column(void **state) {
    (void)state;
    check("3,a,\xFF,true,1.5", "!malformed");
    check("3,\xC3,x,true,1.5", "!malformed");
    check("3,\xC3\xA4,x,true,1.5", "\xC3\xA4|1.50|3|true");
}

static void without_a_header_columns_are_the_fields_in_order(void **state) {
    (void)state;
    rwd_job *bare = job_of("csv, csv: {header: false}", FIELDS, TABLES);
    check_decode(bare, "a,1.5,3,true", "a|1.50|3|true");
    check_decode(bare, "a,1.5,3,true,more", "!malformed");
    rwd_job_free(bare);
}

static void the_delimiter_is_the_jobs(void **state) {
    (void)state;
    rwd_job *semicolons = job_of("csv, csv: {header: false, delimiter: ';'}", FIELDS, TABLES);
    check_decode(semicolons, "a,b;1.5;3;true", "a,b|1.50|3|true");
    check_decode(semicolons, "\"a;b\";1.5;3;true", "a;b|1.50|3|true");
    rwd_job_free(semicolons);
}

static void fields_of_every_length_are_found(void **state) {
    (void)state;
    char note[80];
    for (size_t size = 1; size < sizeof note; size++) {
        memset(note, 'n', size);
        note[size - 1] = '\0';
        rwd_buf row = {0}, wanted = {0};
        rwd_buf_appendf(&row, "3,%s_,%s,true,1.5", note, note);
        rwd_buf_appendf(&wanted, "%s_|1.50|3|true", note);
        check(rwd_buf_cstr(&row), rwd_buf_cstr(&wanted));
        rwd_buf_deinit(&row);
        rwd_buf_deinit(&wanted);
    }
}

static void check_header(const char *const *columns, size_t count, const char *part) {
    rwd_decoder *decoder;
    rwd_error err;
    char words[2048];
    assert_false(rwd_decoder_new(job, columns, count, &decoder, &err));
    assert_int_equal(err.code, RWD_E_SOURCE_HEADER);
    rwd_error_format(&err, words, sizeof words);
    if (!strstr(words, part)) fail_msg("'%s' is not in: %s", part, words);
}

static void a_header_without_a_needed_column_names_it_and_the_nearest_one(void **state) {
    (void)state;
    static const char *const lacks[] = {"quantity", "name", "note", "paid", "amuont"};
    check_header(lacks, 5, "no column 'amount' (did you mean 'amuont'?)");
    static const char *const far[] = {"quantity", "name", "paid", "zzzzzzzzz"};
    check_header(far, 4, "no column 'amount'; it has: quantity, name, paid, zzzzzzzzz");
}

static void a_header_with_a_needed_column_twice_is_refused(void **state) {
    (void)state;
    static const char *const twice[] = {"quantity", "name", "amount", "paid", "amount"};
    check_header(twice, 5, "'amount' twice, as number 3 and 5");
}

static void a_column_that_nobody_needs_may_stand_twice(void **state) {
    (void)state;
    static const char *const twice[] = {"quantity", "name", "note", "note", "paid", "amount"};
    char *got = decode_bytes(job, twice, 6, "3,a,,,true,1.5", 14);
    assert_string_equal(got, "a|1.50|3|true");
    free(got);
}

static void a_header_that_is_not_there_yet_is_an_error(void **state) {
    (void)state;
    check_header(NULL, 0, "no header line yet");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_the_header),
        cmocka_unit_test(quoted_fields_hold_delimiters_quotes_and_newlines),
        cmocka_unit_test(an_empty_field_is_missing_and_an_empty_quoted_one_is_an_empty_text),
        cmocka_unit_test(a_text_that_is_not_of_its_type_is_a_wrong_type),
        cmocka_unit_test(a_number_that_does_not_fit_is_out_of_range),
        cmocka_unit_test(a_row_of_the_wrong_length_is_malformed),
        cmocka_unit_test(a_quote_out_of_place_is_malformed),
        cmocka_unit_test(a_line_break_outside_of_quotes_is_malformed),
        cmocka_unit_test(invalid_utf8_is_malformed_in_any_column),
        cmocka_unit_test(without_a_header_columns_are_the_fields_in_order),
        cmocka_unit_test(the_delimiter_is_the_jobs),
        cmocka_unit_test(fields_of_every_length_are_found),
        cmocka_unit_test(a_header_without_a_needed_column_names_it_and_the_nearest_one),
        cmocka_unit_test(a_header_with_a_needed_column_twice_is_refused),
        cmocka_unit_test(a_column_that_nobody_needs_may_stand_twice),
        cmocka_unit_test(a_header_that_is_not_there_yet_is_an_error),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
