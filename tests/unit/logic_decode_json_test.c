// JSON records: what is accepted, and which fault what is not gets.
#include "tests/unit/logic_support.h"

#define TABLES "  t: {key: name, aggregates: {n: count()}}"
#define FIELDS "  fields: {name: string, amount: decimal(2), quantity: int, paid: bool, at: {type: time, format: epoch-ms}}"
#define GOOD "\"name\":\"a\",\"amount\":1.5,\"quantity\":3,\"paid\":true,\"at\":1000"

static rwd_job *job;
static int begin(void **state) {
    (void)state;
    job = job_of("json", FIELDS, TABLES);
    return 0;
}
static int end(void **state) {
    (void)state;
    rwd_job_free(job);
    return 0;
}

static void every_type_is_read(void **state) {
    (void)state;
    check_decode(job, "{" GOOD "}", "a|1.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, " {\t\"at\" : 1000 ,\r\n\"paid\":false, \"quantity\":-3,\"amount\":-0.01,\"name\":\"\"} ", "|-0.01|-3|false|1970-01-01T00:00:01Z");
}

static void decimals_are_exact_to_the_last_digit(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"amount\":123456789012345678901234567890.12}", "a|123456789012345678901234567890.12|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"amount\":0.10}", "a|0.10|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"amount\":1.500}", "a|1.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"amount\":125e-2}", "a|1.25|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"amount\":9007199254740993}", "a|9007199254740993.00|3|true|1970-01-01T00:00:01Z");
}

static void a_decimal_with_digits_beyond_its_scale_is_out_of_range(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"amount\":1.555}", "!out-of-range amount");
    check_decode(job, "{" GOOD ",\"amount\":1e300}", "!out-of-range amount");
}

static void an_int_is_any_whole_number_of_64_bits(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"quantity\":3.0}", "a|1.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"quantity\":3e2}", "a|1.50|300|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"quantity\":-9223372036854775808}", "a|1.50|-9223372036854775808|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"quantity\":9223372036854775808}", "!out-of-range quantity");
    check_decode(job, "{" GOOD ",\"quantity\":3.5}", "!wrong-type quantity");
}

static void a_number_in_quotes_is_a_decimal_or_a_time_but_no_int(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"amount\":\"12.50\"}", "a|12.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"amount\":\"1\\u0032.50\"}", "a|12.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"at\":\"2000\"}", "a|1.50|3|true|1970-01-01T00:00:02Z");
    check_decode(job, "{" GOOD ",\"quantity\":\"3\"}", "!wrong-type quantity");
    check_decode(job, "{" GOOD ",\"amount\":\"\"}", "!wrong-type amount");
    check_decode(job, "{" GOOD ",\"amount\":\" 1\"}", "!wrong-type amount");
}

static void a_value_of_another_type_is_a_wrong_type(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"name\":5}", "!wrong-type name");
    check_decode(job, "{" GOOD ",\"name\":{}}", "!wrong-type name");
    check_decode(job, "{" GOOD ",\"name\":[\"a\"]}", "!wrong-type name");
    check_decode(job, "{" GOOD ",\"paid\":\"true\"}", "!wrong-type paid");
    check_decode(job, "{" GOOD ",\"paid\":1}", "!wrong-type paid");
    check_decode(job, "{" GOOD ",\"quantity\":true}", "!wrong-type quantity");
    check_decode(job, "{" GOOD ",\"amount\":\"much\"}", "!wrong-type amount");
    check_decode(job, "{" GOOD ",\"at\":true}", "!wrong-type at");
}

static void a_field_that_is_absent_or_null_is_missing(void **state) {
    (void)state;
    check_decode(job, "{}", "!missing-field name");
    check_decode(job, "{\"name\":\"a\",\"amount\":1}", "!missing-field quantity");
    check_decode(job, "{" GOOD ",\"paid\":null}", "!missing-field paid");
    check_decode(job, "{" GOOD ",\"Name\":\"b\"}", "a|1.50|3|true|1970-01-01T00:00:01Z");
}

static void the_first_faulty_field_in_the_jobs_order_gives_the_fault(void **state) {
    (void)state;
    check_decode(job, "{\"at\":true,\"paid\":5,\"quantity\":\"x\",\"name\":\"a\",\"amount\":1.555}", "!out-of-range amount");
}

static void a_time_outside_of_the_years_1_to_9999_is_out_of_range(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"at\":9223372036854775807}", "!out-of-range at");
    check_decode(job, "{" GOOD ",\"at\":-62135596800001}", "!out-of-range at");
    check_decode(job, "{" GOOD ",\"at\":1.5}", "!wrong-type at");
    check_decode(job, "{" GOOD ",\"at\":1e3}", "a|1.50|3|true|1970-01-01T00:00:01Z");
}

static void of_members_with_one_name_the_last_counts(void **state) {
    (void)state;
    check_decode(job, "{\"name\":5," GOOD ",\"name\":\"b\"}", "b|1.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"name\":null}", "!missing-field name");
    check_decode(job, "{" GOOD ",\"n\\u0061me\":\"b\"}", "b|1.50|3|true|1970-01-01T00:00:01Z");
}

static void what_is_not_json_is_malformed_even_where_nobody_looks(void **state) {
    (void)state;
    static const char *const broken[] = {
        "", " ", "{", "}", "{\"x\"", "{\"x\":", "{" GOOD, "{" GOOD ",}", "{" GOOD "}}", "{" GOOD "} {", "{" GOOD "}\"", "{," GOOD "}", "{" GOOD ",,\"x\":1}",
        "{" GOOD ",\"x\":01}", "{" GOOD ",\"x\":1.}", "{" GOOD ",\"x\":.5}", "{" GOOD ",\"x\":+1}", "{" GOOD ",\"x\":1e}", "{" GOOD ",\"x\":--1}",
        "{" GOOD ",\"x\":-}", "{" GOOD ",\"x\":0x10}", "{" GOOD ",\"x\":1 2}", "{" GOOD ",\"x\":NaN}", "{" GOOD ",\"x\":Infinity}", "{" GOOD ",\"x\":tru}",
        "{" GOOD ",\"x\":truee}", "{" GOOD ",\"x\":True}", "{" GOOD ",\"x\":nul}", "{" GOOD ",\"x\":'a'}", "{" GOOD ",x:1}", "{" GOOD ",\"x\"1}",
        "{" GOOD ",\"x\":[1,]}", "{" GOOD ",\"x\":[1 2]}", "{" GOOD ",\"x\":[1}", "{" GOOD ",\"x\":[1}]", "{" GOOD ",\"x\":{\"a\":1]}", "{" GOOD ",\"x\":[,1]}",
        "{" GOOD ",\"x\":\"\\x\"}", "{" GOOD ",\"x\":\"\\u12g4\"}", "{" GOOD ",\"x\":\"\\u12\"}", "{" GOOD ",\"x\":\"\\\"}", "{" GOOD ",\"x\":\"a\nb\"}",
        "{" GOOD ",\"x\":\"a\tb\"}", "{" GOOD ",\"x\":\"\\ud800\"}", "{" GOOD ",\"x\":\"\\udc00\"}", "{" GOOD ",\"x\":\"\\ud800\\u0041\"}",
        "{" GOOD ",\"x\":\"a\"\"b\"}", "{" GOOD ",\"x\":\"a\"b}", "{" GOOD ",\"x\":1\"b\"}", "{" GOOD ",\"\\q\":1}", "{" GOOD ",1:1}", "{" GOOD ",\"x\":1\f}",
        "{" GOOD ",\"x\":/**/1}", "\xEF\xBB\xBF{" GOOD "}", "{" GOOD ",\"x\":\x0C}", "{" GOOD "\x1A\"x\":1}", "[1,", "\"abc",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) check_decode(job, broken[i], "!malformed");
}

static void invalid_utf8_is_malformed_in_any_member(void **state) {
    (void)state;
    static const char *const broken[] = {
        "{" GOOD ",\"x\":\"\xFF\"}", "{" GOOD ",\"x\":\"\xC3\"}", "{" GOOD ",\"\x80\":1}", "{" GOOD ",\"x\":\"\xED\xA0\x80\"}",
        "{" GOOD ",\"x\":\"\xC0\x80\"}", "{" GOOD ",\"x\":\"\xF4\x90\x80\x80\"}", "{" GOOD "}\xC3",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) check_decode(job, broken[i], "!malformed");
    check_decode(job, "{" GOOD ",\"name\":\"\xC3\xA4\xF0\x9F\x98\x80\"}", "\xC3\xA4\xF0\x9F\x98\x80|1.50|3|true|1970-01-01T00:00:01Z");
}

static void a_nul_byte_is_malformed_outside_of_an_escape(void **state) {
    (void)state;
    static const char inside[] = "{" GOOD ",\"x\":\"a\0b\"}";
    char *got = decode_bytes(job, NULL, 0, inside, sizeof inside - 1);
    assert_string_equal(got, "!malformed");
    free(got);
    static const char behind[] = "{" GOOD "}\0";
    got = decode_bytes(job, NULL, 0, behind, sizeof behind - 1);
    assert_string_equal(got, "!malformed");
    free(got);
}

static void a_record_that_is_json_but_no_object_is_a_wrong_type(void **state) {
    (void)state;
    check_decode(job, "[{" GOOD "}]", "!wrong-type");
    check_decode(job, "5", "!wrong-type");
    check_decode(job, "\"a\"", "!wrong-type");
    check_decode(job, "null", "!wrong-type");
}

static void escapes_are_resolved(void **state) {
    (void)state;
    check_decode(job, "{" GOOD ",\"name\":\"q\\\"b\\\\s\\/\\b\\f\\n\\r\\t\"}", "q\"b\\s/\b\f\n\r\t|1.50|3|true|1970-01-01T00:00:01Z");
    check_decode(job, "{" GOOD ",\"name\":\"\\u00e4\\u20AC\\ud83d\\ude00\\u0041\"}", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80" "A|1.50|3|true|1970-01-01T00:00:01Z");
}

static void nesting_is_bounded_at_64(void **state) {
    (void)state;
    for (int depth = 62; depth <= 64; depth++) {
        rwd_buf text = {0};
        rwd_buf_append_str(&text, "{" GOOD ",\"x\":");
        for (int i = 0; i < depth; i++) rwd_buf_append_char(&text, i % 2 ? '{' : '['), i % 2 ? rwd_buf_append_str(&text, "\"k\":") : (void)0;
        rwd_buf_append_str(&text, "1");
        for (int i = depth - 1; i >= 0; i--) rwd_buf_append_char(&text, i % 2 ? '}' : ']');
        rwd_buf_append_str(&text, "}");
        check_decode(job, rwd_buf_cstr(&text), depth <= 63 ? "a|1.50|3|true|1970-01-01T00:00:01Z" : "!malformed");
        rwd_buf_deinit(&text);
    }
    rwd_buf deep = {0};
    for (int i = 0; i < 100000; i++) rwd_buf_append_char(&deep, '[');
    check_decode(job, rwd_buf_cstr(&deep), "!malformed");
    rwd_buf_deinit(&deep);
}

static void paths_descend_into_objects(void **state) {
    (void)state;
    rwd_job *nested = job_of("json", "  fields: {city: {type: string, path: address.city}, zip: {type: int, path: address.zip}, id: {type: int, path: a.b.c}}",
                             "  t: {key: city, aggregates: {n: count()}}");
    check_decode(nested, "{\"address\":{\"city\":\"Ulm\",\"zip\":89073},\"a\":{\"b\":{\"c\":1}}}", "Ulm|89073|1");
    check_decode(nested, "{\"a\":{\"b\":{\"x\":{\"c\":9},\"c\":1}},\"city\":\"no\",\"address\":{\"x\":[{\"city\":\"no\"}],\"zip\":1,\"city\":\"Ulm\"}}", "Ulm|1|1");
    check_decode(nested, "{\"address\":5,\"a\":{\"b\":{\"c\":1}}}", "!missing-field city");
    check_decode(nested, "{\"address.city\":\"Ulm\",\"address\":{\"zip\":1},\"a\":{\"b\":{\"c\":1}}}", "!missing-field city");
    check_decode(nested, "{\"address\":[{\"city\":\"Ulm\",\"zip\":1}],\"a\":{\"b\":{\"c\":1}}}", "!missing-field city");
    rwd_job_free(nested);
}

static void paths_name_elements_of_arrays(void **state) {
    (void)state;
    rwd_job *nested = job_of("json", "  fields: {a: {type: int, path: 'x[0]'}, b: {type: int, path: 'x[2].y'}, c: {type: int, path: 'x[2].z[1][0]', optional: true}}",
                             "  t: {key: a, aggregates: {n: count()}}");
    check_decode(nested, "{\"x\":[1,9,{\"y\":2,\"z\":[[8],[3,7]]},{\"y\":9}]}", "1|2|3");
    check_decode(nested, "{\"x\":[1,{\"y\":9},{\"y\":2,\"z\":[[8]]}]}", "1|2|null");
    check_decode(nested, "{\"x\":[1,2]}", "!missing-field b");
    check_decode(nested, "{\"x\":{\"0\":1,\"[0]\":1}}", "!missing-field a");
    check_decode(nested, "{\"x\":[1,2,{\"y\":2,\"z\":5}],\"x\":[4,5,{\"y\":6,\"z\":[1,[]]}]}", "4|6|null");
    check_decode(nested, "{\"x\":[1,2,{\"y\":2}],\"x\":[4]}", "!missing-field b");
    check_decode(nested, "{\"x\":[[1],2,{\"y\":2}]}", "!wrong-type a");
    rwd_job_free(nested);
}

static void names_with_dots_and_brackets_are_quoted(void **state) {
    (void)state;
    rwd_job *quoted = job_of("json", "  fields: {a: {type: int, path: '[\"a.b\"]'}, b: {type: int, path: 'o[\"x[0]\"].c'}, c: {type: int, path: 'o[''\\''\"''].d'}}",
                             "  t: {key: a, aggregates: {n: count()}}");
    check_decode(quoted, "{\"a.b\":1,\"a\":{\"b\":9},\"o\":{\"x[0]\":{\"c\":2},\"x\":[{\"c\":9}],\"'\\\"\":{\"d\":3}}}", "1|2|3");
    rwd_job_free(quoted);
}

static void what_is_absent_has_its_default_or_is_null_where_it_may(void **state) {
    (void)state;
    rwd_job *lax = job_of("json", "  fields: {s: {type: string, default: 'x|y'}, d: {type: decimal(2), default: 1.5}, t: {type: time, format: epoch-ms, default: 1000}, "
                          "y: {type: bytes, default: AP8=}, b: {type: bool, default: true}, o: {type: int, optional: true}, r: int}", "  t: {key: s, aggregates: {n: count()}}");
    check_decode(lax, "{\"r\":1}", "x|y|1.50|1970-01-01T00:00:01Z|AP8=|true|null|1");
    check_decode(lax, "{\"r\":1,\"o\":null,\"s\":null,\"d\":null,\"b\":null}", "x|y|1.50|1970-01-01T00:00:01Z|AP8=|true|null|1");
    check_decode(lax, "{\"r\":1,\"o\":2,\"s\":\"\",\"d\":0,\"t\":0,\"y\":\"\",\"b\":false}", "|0.00|1970-01-01T00:00:00Z||false|2|1");
    check_decode(lax, "{\"r\":null}", "!missing-field r");
    check_decode(lax, "{\"r\":1,\"o\":\"2\"}", "!wrong-type o");
    check_decode(lax, "{\"r\":1,\"d\":0.001}", "!out-of-range d");
    rwd_job_free(lax);
}

#define EACH "  each: l.items\n  fields: {name: string, sku: {type: string, path: .sku}, q: {type: int, path: '.q[1]', default: 1}, n: {type: int, path: n, optional: true}}"

static void each_element_of_an_array_is_an_event(void **state) {
    (void)state;
    rwd_job *each = job_of("json", EACH, "  t: {key: sku, aggregates: {n: count()}}");
    check_decode(each, "{\"l\":{\"items\":[{\"sku\":\"a\",\"q\":[9,2]},{\"q\":[9],\"sku\":\"b\"}]},\"name\":\"x\"}", "x|a|2|null ; x|b|1|null");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[{\"sku\":\"a\"},{},5,{\"sku\":\"d\"}, [] ,{\"sku\":1}]},\"n\":7}",
                 "x|a|1|7 ; !missing-field sku ; !missing-field sku ; x|d|1|7 ; !missing-field sku ; !wrong-type sku");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[]}}", "");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":null}}", "");
    check_decode(each, "{\"l\":5}", "");
    check_decode(each, "{\"l\":{\"items\":{}}}", "!wrong-type");
    check_decode(each, "{\"l\":{\"items\":\"[1]\"}}", "!wrong-type");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[{\"sku\":\"a\"},}}", "!malformed");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[{\"sku\":\"a\"}]},\"x\":01}", "!malformed");
    rwd_job_free(each);
}

static void a_fault_around_the_array_is_that_of_each_event_at_its_place_among_the_fields(void **state) {
    (void)state;
    rwd_job *each = job_of("json", EACH, "  t: {key: sku, aggregates: {n: count()}}");
    check_decode(each, "{\"l\":{\"items\":[{\"sku\":\"a\"},{}]}}", "!missing-field name ; !missing-field name");
    check_decode(each, "{\"name\":\"x\",\"n\":\"7\",\"l\":{\"items\":[{\"sku\":\"a\"},{}]}}", "!wrong-type n ; !missing-field sku");
    check_decode(each, "{\"n\":\"7\",\"l\":{\"items\":[]}}", "");
    rwd_job_free(each);
}

static void an_array_that_comes_again_replaces_the_first_one(void **state) {
    (void)state;
    rwd_job *each = job_of("json", EACH, "  t: {key: sku, aggregates: {n: count()}}");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[{\"sku\":\"a\"}]},\"l\":{\"items\":[{\"sku\":\"b\",\"sku\":\"c\"}]}}", "x|c|1|null");
    check_decode(each, "{\"name\":\"x\",\"l\":{\"items\":[{\"sku\":\"a\"}]},\"l\":{}}", "");
    rwd_job_free(each);
}

static void an_element_may_be_a_scalar_or_an_array(void **state) {
    (void)state;
    rwd_job *each = job_of("json", "  each: '[\"a.b\"][1]'\n  fields: {v: {type: decimal(1), path: ., optional: true}, first: {type: int, path: '.[0]', optional: true}, "
                           "again: {type: string, path: ., optional: true}}", "  t: {key: v, aggregates: {n: count()}}");
    check_decode(each, "{\"a.b\":[0,[1.5,null,\"x\",[7]]]}", "!wrong-type again ; null|null|null ; !wrong-type v ; !wrong-type v");
    check_decode(each, "{\"a.b\":[0,[\"2.5\"]]}", "2.5|null|2.5");
    rwd_job_free(each);
}

static void a_record_of_too_many_events_is_too_large(void **state) {
    (void)state;
    rwd_job *each = job_of("json", "  each: x\n  fields: {v: {type: int, path: .}}", "  t: {key: v, aggregates: {n: count()}}");
    for (size_t count = RWD_EVENTS_PER_RECORD_MAX; count <= RWD_EVENTS_PER_RECORD_MAX + 1; count++) {
        rwd_buf text = {0}, wanted = {0};
        rwd_buf_append_str(&text, "{\"x\":[");
        for (size_t i = 0; i < count; i++) {
            rwd_buf_appendf(&text, "%s%zu", i ? "," : "", i);
            rwd_buf_appendf(&wanted, "%s%zu", i ? " ; " : "", i);
        }
        rwd_buf_append_str(&text, "]}");
        check_decode(each, rwd_buf_cstr(&text), count <= RWD_EVENTS_PER_RECORD_MAX ? rwd_buf_cstr(&wanted) : "!too-large");
        rwd_buf_deinit(&text);
        rwd_buf_deinit(&wanted);
    }
    rwd_job_free(each);
}

static void an_object_that_comes_again_replaces_all_of_the_first_one(void **state) {
    (void)state;
    rwd_job *nested = job_of("json", "  fields: {city: {type: string, path: address.city}, zip: {type: int, path: address.zip}}",
                             "  t: {key: city, aggregates: {n: count()}}");
    check_decode(nested, "{\"address\":{\"city\":\"Ulm\",\"zip\":1},\"address\":{\"zip\":2}}", "!missing-field city");
    check_decode(nested, "{\"address\":{\"city\":\"Ulm\",\"zip\":1},\"address\":null}", "!missing-field city");
    check_decode(nested, "{\"address\":{\"city\":5},\"address\":{\"city\":\"Ulm\",\"zip\":2}}", "Ulm|2");
    rwd_job_free(nested);
}

static void two_fields_may_read_one_member(void **state) {
    (void)state;
    rwd_job *twice = job_of("json", "  fields: {text: {type: string, path: x}, number: {type: decimal(1), path: x}}", "  t: {key: text, aggregates: {n: count()}}");
    check_decode(twice, "{\"x\":\"1.5\"}", "1.5|1.5");
    check_decode(twice, "{\"x\":1.5}", "!wrong-type text");
    rwd_job_free(twice);
}

static void many_fields_are_told_apart(void **state) {
    (void)state;
    rwd_buf event = {0}, text = {0}, wanted = {0};
    rwd_buf_append_str(&event, "  fields: {");
    rwd_buf_append_str(&text, "{");
    for (int i = 0; i < 200; i++) {
        rwd_buf_appendf(&event, "%sfield_number_%d: int", i ? ", " : "", i);
        rwd_buf_appendf(&wanted, "%s%d", i ? "|" : "", i);
    }
    for (int i = 199; i >= 0; i--) rwd_buf_appendf(&text, "\"field_number_%d\":%d,\"field_number_%dx\":null%s", i, i, i, i ? "," : "}");
    rwd_buf_append_str(&event, "}");
    rwd_job *wide = job_of("json", rwd_buf_cstr(&event), "  t: {key: field_number_0, aggregates: {n: count()}}");
    check_decode(wide, rwd_buf_cstr(&text), rwd_buf_cstr(&wanted));
    rwd_job_free(wide);
    rwd_buf_deinit(&event);
    rwd_buf_deinit(&text);
    rwd_buf_deinit(&wanted);
}

static void times_are_read_by_their_format(void **state) {
    (void)state;
    rwd_job *times = job_of("json", "  fields: {a: {type: time, format: rfc3339}, b: {type: time, format: '%d.%m.%Y'}, k: int}", "  t: {key: k, aggregates: {n: count()}}");
    check_decode(times, "{\"a\":\"2026-01-02T03:04:05+01:00\",\"b\":\"31.12.2025\",\"k\":1}", "2026-01-02T02:04:05Z|2025-12-31T00:00:00Z|1");
    check_decode(times, "{\"a\":1767323045,\"b\":\"31.12.2025\",\"k\":1}", "!wrong-type a");
    check_decode(times, "{\"a\":\"2026-02-30T00:00:00Z\",\"b\":\"31.12.2025\",\"k\":1}", "!out-of-range a");
    rwd_job_free(times);
}

static void a_pattern_without_a_zone_has_that_of_its_field(void **state) {
    (void)state;
    rwd_job *times = job_of("json", "  fields: {a: {type: time, format: '%F %T', zone: '+05:30'}, b: {type: time, format: '%F %T', zone: '-08:00'}, c: {type: time, format: '%F %T %z'}, "
                            "d: {type: time, format: '%F', zone: Z, default: 2026-03-01}}", "  t: {key: a, aggregates: {n: count()}}");
    check_decode(times, "{\"a\":\"2026-01-01 00:00:00\",\"b\":\"2026-01-01 20:00:00\",\"c\":\"2026-01-01 00:00:00 -0130\"}",
                 "2025-12-31T18:30:00Z|2026-01-02T04:00:00Z|2026-01-01T01:30:00Z|2026-03-01T00:00:00Z");
    check_decode(times, "{\"a\":\"0001-01-01 00:00:00\"}", "!out-of-range a");
    rwd_job_free(times);
}

static void floats_are_the_nearest_double_and_bytes_are_base64(void **state) {
    (void)state;
    rwd_job *more = job_of("json", "  fields: {f: float, y: bytes}", "  t: {key: y, aggregates: {n: count()}}");
    check_decode(more, "{\"f\":0.1,\"y\":\"AP8=\"}", "0.1|AP8=");
    check_decode(more, "{\"f\":-0.0,\"y\":\"\"}", "0|");
    check_decode(more, "{\"f\":9007199254740993,\"y\":\"\\u0041P8\\u003d\"}", "9007199254740992|AP8=");
    check_decode(more, "{\"f\":1.5e300,\"y\":\"YQ==\"}", "1.5e+300|YQ==");
    check_decode(more, "{\"f\":1e-999,\"y\":\"YQ==\"}", "0|YQ==");
    check_decode(more, "{\"f\":-1e999,\"y\":\"YQ==\"}", "!out-of-range f");
    check_decode(more, "{\"f\":\"1\",\"y\":\"YQ==\"}", "!wrong-type f");
    check_decode(more, "{\"f\":true,\"y\":\"YQ==\"}", "!wrong-type f");
    check_decode(more, "{\"f\":1,\"y\":\"YQ\"}", "!wrong-type y");
    check_decode(more, "{\"f\":1,\"y\":\"YR==\"}", "!wrong-type y");
    check_decode(more, "{\"f\":1,\"y\":1}", "!wrong-type y");
    rwd_job_free(more);
}

static void the_event_time_is_the_declared_field(void **state) {
    (void)state;
    rwd_job *timed = job_of("json", "  time: {field: ts, format: epoch-ms}\n  fields: {name: string}", "  t: {key: name, aggregates: {n: count()}}");
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(timed, NULL, 0, &decoder, &err));
    text_record r = record_of("{\"name\":\"a\",\"ts\":1500}");
    rwd_event event;
    rwd_fault fault;
    rwd_decoder_begin(decoder, 1);
    assert_true(rwd_decode(decoder, &r.record, &event, &fault));
    assert_int_equal(event.time_us, 1500000);
    assert_ptr_equal(event.record, &r.record);
    rwd_decoder_free(decoder);
    free(r.bytes);
    rwd_job_free(timed);
}

static void values_of_a_batch_live_until_the_next_one_begins(void **state) {
    (void)state;
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(job, NULL, 0, &decoder, &err));
    text_record good = record_of("{" GOOD "}"), escaped = record_of("{" GOOD ",\"name\":\"\\u0062\"}"), bad = record_of("{");
    rwd_event events[3];
    rwd_fault fault;
    for (int round = 0; round < 3; round++) {
        rwd_decoder_begin(decoder, 3);
        assert_true(rwd_decode(decoder, &escaped.record, &events[0], &fault));
        assert_false(rwd_decode(decoder, &bad.record, &events[1], &fault));
        assert_true(rwd_decode(decoder, &good.record, &events[1], &fault));
        assert_true(rwd_decode(decoder, &escaped.record, &events[2], &fault));
        assert_memory_equal(events[0].fields[0].s.data, "b", 1);
        assert_memory_equal(events[1].fields[0].s.data, "a", 1);
        assert_ptr_equal(events[1].fields[0].s.data, good.bytes + 9);  // borrowed, not copied
        assert_memory_equal(events[2].fields[0].s.data, "b", 1);
    }
    rwd_decoder_free(decoder);
    free(good.bytes);
    free(escaped.bytes);
    free(bad.bytes);
}

static void the_record_is_not_changed(void **state) {
    (void)state;
    static const char text[] = "{" GOOD ",\"name\":\"\\u0062\\n\",\"x\":[{}]}";
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(job, NULL, 0, &decoder, &err));
    text_record r = record_of(text);
    rwd_event event;
    rwd_fault fault;
    rwd_decoder_begin(decoder, 1);
    assert_true(rwd_decode(decoder, &r.record, &event, &fault));
    assert_memory_equal(r.bytes, text, sizeof text - 1);
    rwd_decoder_free(decoder);
    free(r.bytes);
}

static void a_record_that_the_source_refused_keeps_its_fault(void **state) {
    (void)state;
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(job, NULL, 0, &decoder, &err));
    text_record r = record_of("{" GOOD "}");
    r.record.fault = RWD_E_TOO_LARGE;
    rwd_event event;
    rwd_fault fault;
    rwd_decoder_begin(decoder, 1);
    assert_false(rwd_decode(decoder, &r.record, &event, &fault));
    assert_int_equal(fault.code, RWD_E_TOO_LARGE);
    rwd_decoder_free(decoder);
    free(r.bytes);
}

static void check_text(const rwd_job *of, const char *text, const char *wanted) {
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(of, NULL, 0, &decoder, &err));
    text_record r = record_of(text);
    rwd_event event;
    rwd_fault fault;
    rwd_buf words = {0};
    rwd_decoder_begin(decoder, 1);
    assert_false(rwd_decode(decoder, &r.record, &event, &fault));
    rwd_fault_text(of, &fault, &words);
    assert_string_equal(rwd_buf_cstr(&words), wanted);
    rwd_buf_deinit(&words);
    rwd_decoder_free(decoder);
    free(r.bytes);
}

static void a_faults_text_names_the_field_the_type_and_the_byte(void **state) {
    (void)state;
    check_text(job, "{\"name\":\"a\",\"amount\":1.555}", "field 'amount': does not fit decimal(2), at byte 21 of the record");
    check_text(job, "{\"name\":\"a\",\"amount\":1,\"quantity\":\"x\"}", "field 'quantity': is not of type int, at byte 35 of the record");
    check_text(job, "{\"name\":\"a\"}", "field 'amount': is not there");
    check_text(job, "{\"name\":\"a\",\"x\":\"\\q\"}", "not a valid escape in a JSON string, at byte 17 of the record");
    check_text(job, "{\"name\":\"\xFF\"}", "not valid UTF-8, at byte 9 of the record");
    check_text(job, "{\"name\":\"a", "a JSON string that is never closed, at byte 8 of the record");
    check_text(job, "{\"name\":\"a\nb\"}", "a control character inside a JSON string, at byte 10 of the record");
    check_text(job, "{\"name\":\"a\"} x", "something behind the end of the JSON value, at byte 13 of the record");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(decimals_are_exact_to_the_last_digit),
        cmocka_unit_test(a_decimal_with_digits_beyond_its_scale_is_out_of_range),
        cmocka_unit_test(an_int_is_any_whole_number_of_64_bits),
        cmocka_unit_test(a_number_in_quotes_is_a_decimal_or_a_time_but_no_int),
        cmocka_unit_test(a_value_of_another_type_is_a_wrong_type),
        cmocka_unit_test(a_field_that_is_absent_or_null_is_missing),
        cmocka_unit_test(the_first_faulty_field_in_the_jobs_order_gives_the_fault),
        cmocka_unit_test(a_time_outside_of_the_years_1_to_9999_is_out_of_range),
        cmocka_unit_test(of_members_with_one_name_the_last_counts),
        cmocka_unit_test(what_is_not_json_is_malformed_even_where_nobody_looks),
        cmocka_unit_test(invalid_utf8_is_malformed_in_any_member),
        cmocka_unit_test(a_nul_byte_is_malformed_outside_of_an_escape),
        cmocka_unit_test(a_record_that_is_json_but_no_object_is_a_wrong_type),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(nesting_is_bounded_at_64),
        cmocka_unit_test(paths_descend_into_objects),
        cmocka_unit_test(paths_name_elements_of_arrays),
        cmocka_unit_test(names_with_dots_and_brackets_are_quoted),
        cmocka_unit_test(what_is_absent_has_its_default_or_is_null_where_it_may),
        cmocka_unit_test(each_element_of_an_array_is_an_event),
        cmocka_unit_test(a_fault_around_the_array_is_that_of_each_event_at_its_place_among_the_fields),
        cmocka_unit_test(an_array_that_comes_again_replaces_the_first_one),
        cmocka_unit_test(an_element_may_be_a_scalar_or_an_array),
        cmocka_unit_test(a_record_of_too_many_events_is_too_large),
        cmocka_unit_test(an_object_that_comes_again_replaces_all_of_the_first_one),
        cmocka_unit_test(two_fields_may_read_one_member),
        cmocka_unit_test(many_fields_are_told_apart),
        cmocka_unit_test(times_are_read_by_their_format),
        cmocka_unit_test(a_pattern_without_a_zone_has_that_of_its_field),
        cmocka_unit_test(floats_are_the_nearest_double_and_bytes_are_base64),
        cmocka_unit_test(the_event_time_is_the_declared_field),
        cmocka_unit_test(values_of_a_batch_live_until_the_next_one_begins),
        cmocka_unit_test(the_record_is_not_changed),
        cmocka_unit_test(a_record_that_the_source_refused_keeps_its_fault),
        cmocka_unit_test(a_faults_text_names_the_field_the_type_and_the_byte),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
