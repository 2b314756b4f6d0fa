// Buffers, readers, arenas, hex, base64 and UTF-8, the last three against slow second implementations.
#include "operator/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

static void slices_order_by_bytes_and_shorter_first(void **state) {
    (void)state;
    static const char *const sorted[] = {"", "a", "aa", "ab", "b", "\x7F", "\x80", "\xFF"};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++) {
            int order = rwd_slice_compare(rwd_slice_str(sorted[i]), rwd_slice_str(sorted[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(rwd_slice_equal(rwd_slice_str(sorted[i]), rwd_slice_str(sorted[j])), i == j);
        }
}

static void a_buffer_holds_all_that_was_appended(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    rwd_buf buf = {0};
    uint8_t *model = malloc(1 << 20);
    size_t size = 0;
    for (int i = 0; i < 2000; i++) {
        uint8_t piece[300];
        size_t n = test_random_below(&r, sizeof(piece));
        for (size_t j = 0; j < n; j++) piece[j] = (uint8_t)test_random_u64(&r);
        if (size + n > 1 << 20) break;
        rwd_buf_append(&buf, piece, n);
        memcpy(model + size, piece, n);
        size += n;
    }
    assert_int_equal(buf.size, size);
    assert_memory_equal(buf.data, model, size);
    assert_int_equal(rwd_buf_cstr(&buf)[size], 0);
    rwd_buf_deinit(&buf);
    assert_int_equal(buf.capacity, 0);
    free(model);
}

static void appended_text_reads_as_printf_has_it(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    rwd_buf ours = {0}, theirs = {0};
    for (int i = 0; i < 5000; i++) {
        int64_t value = (int64_t)(test_random_wide(&r) * (i % 2 ? 1 : -1ULL));
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)value);
        rwd_buf_append_int(&ours, value);
        rwd_buf_append_char(&ours, ' ');
        rwd_buf_appendf(&theirs, "%s ", text);
    }
    rwd_buf_append_int(&ours, INT64_MIN);
    rwd_buf_append_str(&theirs, "-9223372036854775808");
    assert_string_equal(rwd_buf_cstr(&ours), rwd_buf_cstr(&theirs));
    rwd_buf_deinit(&ours);
    rwd_buf_deinit(&theirs);
}

static void a_reader_that_failed_stays_failed(void **state) {
    (void)state;
    uint8_t bytes[16] = {7};
    rwd_put_le32(bytes + 1, 0xDEADBEEF);
    rwd_put_le64(bytes + 5, 0x0123456789ABCDEF);
    rwd_reader reader = rwd_reader_of(rwd_slice_of(bytes, 13));
    uint8_t u8;
    uint32_t u32;
    uint64_t u64;
    assert_true(rwd_reader_u8(&reader, &u8) && u8 == 7);
    assert_true(rwd_reader_le32(&reader, &u32) && u32 == 0xDEADBEEF);
    assert_true(rwd_reader_le64(&reader, &u64) && u64 == 0x0123456789ABCDEF);
    assert_int_equal(rwd_reader_left(&reader), 0);

    rwd_slice slice;
    rwd_reader second = rwd_reader_of(rwd_slice_of(bytes, 3));
    assert_false(rwd_reader_le32(&second, &u32));
    assert_false(rwd_reader_u8(&second, &u8));
    assert_false(rwd_reader_take(&second, 0, &slice));
    rwd_reader third = rwd_reader_of(rwd_slice_of(bytes, 3));
    assert_false(rwd_reader_take(&third, SIZE_MAX, &slice));
}

static void integers_have_the_byte_order_of_their_name(void **state) {
    (void)state;
    uint8_t b[9];
    rwd_put_be64(b + 1, 0x0102030405060708);
    assert_memory_equal(b + 1, "\1\2\3\4\5\6\7\10", 8);
    assert_true(rwd_get_be64(b + 1) == 0x0102030405060708);
    rwd_put_be32(b + 1, 0x01020304);
    assert_memory_equal(b + 1, "\1\2\3\4", 4);
    assert_int_equal(rwd_get_be32(b + 1), 0x01020304);
    rwd_put_be16(b + 1, 0x0102);
    assert_memory_equal(b + 1, "\1\2", 2);
    assert_int_equal(rwd_get_be16(b + 1), 0x0102);
    rwd_put_le32(b + 1, 0x01020304);
    assert_memory_equal(b + 1, "\4\3\2\1", 4);
}

static void arena_memory_is_disjoint_aligned_and_reused(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    rwd_arena arena = {0};
    enum { COUNT = 400 };
    uint8_t *at[COUNT];
    size_t sizes[COUNT];
    size_t held_after_first = 0;
    for (int round = 0; round < 3; round++) {
        r = test_random_of(3);
        for (int i = 0; i < COUNT; i++) {
            sizes[i] = test_random_below(&r, i % 50 == 0 ? 100000 : 900);
            at[i] = rwd_arena_alloc(&arena, sizes[i]);
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            memset(at[i], i & 255, sizes[i]);
        }
        for (int i = 0; i < COUNT; i++)
            for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(at[i][j], i & 255);
        if (round == 0) held_after_first = arena.held;
        assert_int_equal(arena.held, held_after_first);  // the same load again asks the system for nothing
        assert_true(arena.used <= arena.held);
        rwd_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    rwd_slice copy = rwd_arena_copy(&arena, rwd_slice_str("hello"));
    assert_true(rwd_slice_equal(copy, rwd_slice_str("hello")));
    rwd_arena_deinit(&arena);
    assert_int_equal(arena.held, 0);
}

static void strings_are_copied_whole_or_to_the_given_size(void **state) {
    (void)state;
    char *a = rwd_strdup("abc"), *b = rwd_strndup("abcdef", 4), *c = rwd_strndup("ab", 40), *d = rwd_strf("%d-%s", 42, "x");
    assert_string_equal(a, "abc");
    assert_string_equal(b, "abcd");
    assert_string_equal(c, "ab");
    assert_string_equal(d, "42-x");
    free(a);
    free(b);
    free(c);
    free(d);
}

static void hex_reads_back_and_refuses_other_characters(void **state) {
    (void)state;
    test_random r = test_random_of(4);
    for (int i = 0; i < 500; i++) {
        uint8_t bytes[40], back[40];
        char text[81], expected[81] = "";
        size_t size = test_random_below(&r, sizeof(bytes) + 1);
        for (size_t j = 0; j < size; j++) bytes[j] = (uint8_t)test_random_u64(&r);
        for (size_t j = 0; j < size; j++) snprintf(expected + 2 * j, 3, "%02x", bytes[j]);
        rwd_hex(bytes, size, text);
        assert_string_equal(text, expected);
        assert_true(rwd_unhex(text, 2 * size, back));
        assert_memory_equal(back, bytes, size);
        if (size == 0) continue;
        assert_false(rwd_unhex(text, 2 * size - 1, back));
        text[test_random_below(&r, 2 * size)] = "gG/:@`A\0 "[test_random_below(&r, 9)];
        assert_false(rwd_unhex(text, 2 * size, back));
    }
}

static void base64_has_the_vectors_of_rfc_4648(void **state) {
    (void)state;
    static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xFB\xEF\xFF", "++//"}};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        rwd_buf text = {0}, back = {0};
        rwd_base64_append(&text, rwd_slice_str(vectors[i][0]));
        assert_string_equal(rwd_buf_cstr(&text), vectors[i][1]);
        assert_true(rwd_base64_decode(rwd_buf_slice(&text), &back));
        assert_string_equal(rwd_buf_cstr(&back), vectors[i][0]);
        rwd_buf_deinit(&text);
        rwd_buf_deinit(&back);
    }
}

static void base64_reads_back_and_each_run_of_bytes_has_one_text(void **state) {
    (void)state;
    test_random r = test_random_of(5);
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[50];
        size_t size = test_random_below(&r, sizeof(bytes));
        for (size_t j = 0; j < size; j++) bytes[j] = (uint8_t)test_random_u64(&r);
        rwd_buf text = {0}, back = {0}, again = {0};
        rwd_base64_append(&text, rwd_slice_of(bytes, size));
        assert_true(rwd_base64_decode(rwd_buf_slice(&text), &back));
        assert_true(rwd_slice_equal(rwd_buf_slice(&back), rwd_slice_of(bytes, size)));
        // Whatever else is accepted encodes to itself.
        if (size) text.data[test_random_below(&r, text.size)] = (uint8_t)test_random_u64(&r);
        rwd_buf_clear(&back);
        rwd_buf_append_str(&back, "kept");
        if (rwd_base64_decode(rwd_buf_slice(&text), &back)) {
            rwd_base64_append(&again, rwd_slice_of(back.data + 4, back.size - 4));
            assert_true(rwd_slice_equal(rwd_buf_slice(&text), rwd_buf_slice(&again)));
        } else {
            assert_string_equal(rwd_buf_cstr(&back), "kept");
        }
        rwd_buf_deinit(&text);
        rwd_buf_deinit(&back);
        rwd_buf_deinit(&again);
    }
}

static void base64_refuses_malformed_text(void **state) {
    (void)state;
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9-", "=m9v"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rwd_buf out = {0};
        assert_false(rwd_base64_decode(rwd_slice_str(bad[i]), &out));
        rwd_buf_deinit(&out);
    }
}

// UTF-8 by its definition: decode the code point from the bits, then ask whether its shortest form is what was read.
static bool slow_utf8_valid(const uint8_t *p, size_t size) {
    for (size_t i = 0; i < size;) {
        size_t length = p[i] < 0x80 ? 1 : p[i] >> 5 == 6 ? 2 : p[i] >> 4 == 14 ? 3 : p[i] >> 3 == 30 ? 4 : 0;
        if (length == 0 || length > size - i) return false;
        uint32_t point = length == 1 ? p[i] : p[i] & (0xFFu >> (length + 1));
        for (size_t j = 1; j < length; j++) {
            if (p[i + j] >> 6 != 2) return false;
            point = point << 6 | (p[i + j] & 63);
        }
        size_t shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        if (shortest != length || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
        i += length;
    }
    return true;
}

static void utf8_agrees_with_the_definition_on_all_short_sequences(void **state) {
    (void)state;
    uint8_t b[4];
    for (uint32_t v = 0; v < 1u << 24; v++) {
        b[0] = (uint8_t)(v >> 16), b[1] = (uint8_t)(v >> 8), b[2] = (uint8_t)v;
        if (b[0] < 0x80 && (b[1] | b[2]) != 0) continue;  // ASCII first: the rest is a shorter case
        if (rwd_utf8_valid(rwd_slice_of(b, 3)) != slow_utf8_valid(b, 3)) fail_msg("%02x %02x %02x", b[0], b[1], b[2]);
    }
    // Four bytes: every pair at the front, edges behind it.
    static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (uint32_t v = 0xE000; v < 0x10000; v++)
        for (size_t i = 0; i < 36; i++) {
            b[0] = (uint8_t)(v >> 8), b[1] = (uint8_t)v, b[2] = edges[i / 6], b[3] = edges[i % 6];
            if (rwd_utf8_valid(rwd_slice_of(b, 4)) != slow_utf8_valid(b, 4)) fail_msg("%08x %zu", v, i);
        }
}

static void utf8_agrees_with_the_definition_on_damaged_texts(void **state) {
    (void)state;
    test_random r = test_random_of(6);
    size_t valid = 0;
    for (int i = 0; i < 20000; i++) {
        static const char *const pieces[] = {"a", "plain ascii text", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8D", "\x7F"};
        rwd_buf text = {0};
        for (uint64_t n = test_random_below(&r, 12); n > 0; n--) rwd_buf_append_str(&text, pieces[test_random_below(&r, 6)]);
        if (text.size && test_random_below(&r, 2)) text.data[test_random_below(&r, text.size)] = (uint8_t)test_random_u64(&r);
        if (text.size && test_random_below(&r, 4) == 0) text.size = test_random_below(&r, text.size);
        bool expected = slow_utf8_valid(text.data, text.size);
        assert_int_equal(rwd_utf8_valid(rwd_buf_slice(&text)), expected);
        valid += expected;
        rwd_buf_deinit(&text);
    }
    assert_in_range(valid, 2000, 18000);  // both kinds were met
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_order_by_bytes_and_shorter_first),
        cmocka_unit_test(a_buffer_holds_all_that_was_appended),
        cmocka_unit_test(appended_text_reads_as_printf_has_it),
        cmocka_unit_test(a_reader_that_failed_stays_failed),
        cmocka_unit_test(integers_have_the_byte_order_of_their_name),
        cmocka_unit_test(arena_memory_is_disjoint_aligned_and_reused),
        cmocka_unit_test(strings_are_copied_whole_or_to_the_given_size),
        cmocka_unit_test(hex_reads_back_and_refuses_other_characters),
        cmocka_unit_test(base64_has_the_vectors_of_rfc_4648),
        cmocka_unit_test(base64_reads_back_and_each_run_of_bytes_has_one_text),
        cmocka_unit_test(base64_refuses_malformed_text),
        cmocka_unit_test(utf8_agrees_with_the_definition_on_all_short_sequences),
        cmocka_unit_test(utf8_agrees_with_the_definition_on_damaged_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
