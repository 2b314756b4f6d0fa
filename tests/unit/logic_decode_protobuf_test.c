// Messages of Protocol Buffers, byte by byte: what is taken, and what is a fault and where. tests/support/wire_set.h has the message.
#include "tests/support/wire_set.h"
#include "tests/unit/logic_support.h"

static rwd_job *job_with(const char *framing, const char *fields) {
    char path[] = "decode_protobuf.XXXXXX";
    rwd_buf format = {0}, event = {0};
    assert_true(wire_set_file(path));
    rwd_buf_appendf(&format, "protobuf, protobuf: {descriptor: %s, message: t.M, framing: %s}", path, framing);
    rwd_buf_appendf(&event, "  fields: {%s}", fields);
    rwd_job *job = job_of(rwd_buf_cstr(&format), rwd_buf_cstr(&event), "  t: {key: v, aggregates: {n: count()}}");
    assert_int_equal(unlink(path), 0);
    rwd_buf_deinit(&format);
    rwd_buf_deinit(&event);
    return job;
}

// Decodes a record that is a block of exactly its size: its values joined by '|', or "!code field@byte".
static void check(const char *fields, const char *bytes, size_t size, const char *wanted) {
    rwd_job *job = job_with("none", fields);
    rwd_decoder *decoder;
    rwd_error err;
    rwd_event event;
    rwd_fault fault;
    rwd_buf got = {0};
    uint8_t *exact = malloc(size ? size : 1);
    if (size) memcpy(exact, bytes, size);
    assert_true(rwd_decoder_new(job, NULL, 0, &decoder, &err));
    rwd_decoder_begin(decoder, 1);
    rwd_record record = {.value = rwd_slice_of(exact, size), .full_size = size, .fault = RWD_E_NONE};
    if (rwd_decode(decoder, &record, &event, &fault)) {
        for (size_t i = 0; i < job->event.field_count; i++) {
            if (i) rwd_buf_append_char(&got, '|');
            rwd_value_text(&event.fields[i], job->event.fields[i].type, job->event.fields[i].scale, &got);
        }
    } else {
        rwd_buf_appendf(&got, "!%s %s@%u", rwd_code_name(fault.code), fault.field < 0 ? "-" : job->event.fields[fault.field].name, fault.at);
    }
    assert_string_equal(rwd_buf_cstr(&got), wanted);
    rwd_buf_deinit(&got);
    rwd_decoder_free(decoder);
    free(exact);
    rwd_job_free(job);
}
#define CHECK(fields, bytes, wanted) check(fields, bytes, sizeof(bytes) - 1, wanted)
#define INT "v: {type: int, path: i}"
#define TEXT "v: {type: string, path: s}"

static void what_is_absent_is_its_default_or_missing(void **state) {
    (void)state;
    CHECK(INT, "", "0");
    CHECK(TEXT, "", "");
    CHECK("v: {type: string, path: c}", "", "NONE");
    CHECK("v: {type: float, path: d}, k: bool", "", "0|false");
    CHECK("v: {type: int, path: in.n}", "", "!missing-field v@0");
    CHECK("v: {type: int, path: in.n}", "\x1a\x00", "0");
    CHECK("v: {type: int, path: in.maybe}", "\x1a\x00", "!missing-field v@0");
    CHECK("v: {type: string, path: a}", "", "!missing-field v@0");
    CHECK("v: {type: int, path: 'nums[0]'}", "", "!missing-field v@0");
}

static void the_last_value_counts_and_messages_add_up(void **state) {
    (void)state;
    CHECK(INT, "\x08\x01\x08\x02", "2");
    CHECK("v: {type: string, path: in.s}, n: {type: int, path: in.n}", "\x1a\x03\x0a\x01x\x1a\x02\x10\x07", "x|7");
    CHECK("v: {type: string, path: a}", "\x42\x01x\x4a\x00", "!missing-field v@0");
    CHECK("v: {type: int, path: b.n}", "\x4a\x02\x10\x05\x42\x01x\x4a\x00", "0");
    CHECK("v: {type: int, path: b.n}", "\x4a\x02\x10\x05\x42\x01x", "!missing-field v@0");
}

static void elements_are_counted_packed_or_not(void **state) {
    (void)state;
    CHECK("v: {type: int, path: 'nums[2]'}", "\x28\x01\x2a\x02\x02\x05", "-3");
    CHECK("v: {type: int, path: 'nums[0]'}", "\x2a\x00\x28\x04", "2");
    CHECK("v: {type: string, path: 'items[1].s'}", "\x22\x03\x0a\x01p\x08\x01\x22\x03\x0a\x01q", "q");
    CHECK("v: {type: int, path: 'nums[0]'}", "\x2a\x02\x02\x80", "!malformed -@3");
}

static void numbers_keep_their_size_and_sign(void **state) {
    (void)state;
    CHECK(INT, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "-1");
    CHECK("v: {type: decimal(2), path: u}", "\x68\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "18446744073709551615.00");
    CHECK("v: {type: int, path: u}", "\x68\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "!out-of-range v@1");
    CHECK("v: {type: int, path: w}", "\x70\xff\xff\xff\xff\x0f", "!out-of-range v@1");
    CHECK("v: {type: int, path: f}", "\x55\xff\xff\xff\xff", "4294967295");
    CHECK("v: {type: int, path: x}", "\xe1\x12\xfe\xff\xff\xff\xff\xff\xff\xff", "-2");
    CHECK("v: {type: float, path: h}", "\x7d\x00\x00\xc0\x7f", "!out-of-range v@1");
    CHECK("v: {type: float, path: h}", "\x7d\x00\x00\x00\xc0", "-2");
    CHECK("v: {type: string, path: c}, n: {type: int, path: c}", "\x38\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01", "BLUE|-5");
    CHECK("v: {type: string, path: c}", "\x38\x09", "!wrong-type v@1");
}

static void broken_bytes_are_malformed_where_they_break(void **state) {
    (void)state;
    CHECK(INT, "\x08", "!malformed -@1");
    CHECK(INT, "\x08\x80", "!malformed -@1");
    CHECK(INT, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "!malformed -@1");
    CHECK(INT, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "!malformed -@1");
    CHECK(TEXT, "\x12\x05""ab", "!malformed -@1");
    CHECK(TEXT, "\x12\x80\x80\x80\x80\x04""ab", "!malformed -@1");
    CHECK(INT, "\xa2\x06\x80\x80\x80\x80\x04", "!malformed -@2");
    CHECK(INT, "\x00\x01", "!malformed -@0");
    CHECK(INT, "\x0e\x01", "!malformed -@0");
    CHECK(INT, "\xff\xff\xff\xff\xff\x7f", "!malformed -@0");
    CHECK("v: {type: int, path: x}", "\xe1\x12\x01\x02", "!malformed -@2");
    CHECK(TEXT, "\x12\x02\xc3\x28", "!malformed -@2");
    CHECK("v: {type: string, path: in.s}", "\x1a\x03\x0a\x05x\x08\x01", "!malformed -@3");
}

static void groups_are_passed_over_and_must_close(void **state) {
    (void)state;
    CHECK(INT, "\xa3\x06\x08\x05\xa3\x06\xa4\x06\xa4\x06\x08\x07", "7");
    CHECK(INT, "\xa3\x06\x08\x05", "!malformed -@4");
    CHECK(INT, "\xa4\x06", "!malformed -@0");
    CHECK(INT, "\xa3\x06\xac\x06", "!malformed -@4");
    char deep[1 + 2 * 200];
    size_t size = 0;
    for (int i = 0; i < 101; i++) deep[size++] = '\xa3', deep[size++] = '\x06';
    check(INT, deep, size, "!malformed -@202");
}

static void a_known_field_of_another_wire_type_is_a_wrong_type(void **state) {
    (void)state;
    CHECK(INT, "\x0d\x01\x02\x03\x04", "!wrong-type v@0");
    CHECK(INT, "\x0a\x01\x02", "!wrong-type v@0");
    CHECK(INT, "\x08\x01\x10\x05", "!wrong-type -@2");
    CHECK(INT, "\x08\x01\xa2\x06\x01x", "1");
}

static void confluents_frame_names_the_message(void **state) {
    (void)state;
    static const struct { const char *bytes; size_t size; bool good; rwd_code code; } cases[] = {
        {"\0\0\0\0\7\2\2\x08\x05", 9, true, RWD_E_NONE},        {"\0\0\0\0\7\2\0\x08\x05", 9, false, RWD_E_WRONG_TYPE}, {"\0\0\0\0\7\0\x08\x05", 8, false, RWD_E_WRONG_TYPE},
        {"\1\0\0\0\7\2\2\x08\x05", 9, false, RWD_E_MALFORMED},  {"\0\0\0\0", 4, false, RWD_E_MALFORMED},              {"\0\0\0\0\7", 5, false, RWD_E_MALFORMED},
        {"\0\0\0\0\7\2", 6, false, RWD_E_MALFORMED},            {"\0\0\0\0\7\3\2", 7, false, RWD_E_WRONG_TYPE},
    };
    rwd_job *job = job_with("confluent", INT);
    rwd_decoder *decoder;
    rwd_error err;
    rwd_event event;
    rwd_fault fault;
    assert_true(rwd_decoder_new(job, NULL, 0, &decoder, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *exact = malloc(cases[i].size);
        memcpy(exact, cases[i].bytes, cases[i].size);
        rwd_record record = {.value = rwd_slice_of(exact, cases[i].size), .full_size = cases[i].size, .fault = RWD_E_NONE};
        rwd_decoder_begin(decoder, 1);
        assert_int_equal(rwd_decode(decoder, &record, &event, &fault), cases[i].good);
        if (!cases[i].good) assert_int_equal(fault.code, cases[i].code);
        else assert_int_equal(event.fields[0].i, 5);
        free(exact);
    }
    rwd_decoder_free(decoder);
    rwd_job_free(job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_is_its_default_or_missing),
        cmocka_unit_test(the_last_value_counts_and_messages_add_up),
        cmocka_unit_test(elements_are_counted_packed_or_not),
        cmocka_unit_test(numbers_keep_their_size_and_sign),
        cmocka_unit_test(broken_bytes_are_malformed_where_they_break),
        cmocka_unit_test(groups_are_passed_over_and_must_close),
        cmocka_unit_test(a_known_field_of_another_wire_type_is_a_wrong_type),
        cmocka_unit_test(confluents_frame_names_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
