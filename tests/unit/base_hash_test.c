// CRC32C against the vectors of RFC 3720 (B.4) and a bitwise implementation; XXH3 against the values that the xxHash project
// publishes for it; the additive hash against 128-bit arithmetic.
//
// Built twice: with the machine's CRC instruction and with the portable table.
#include "operator/base/hash.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

static uint32_t slow_crc32c(const uint8_t *p, size_t size) {
    uint32_t crc = ~0u;
    while (size--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

static void crc32c_has_the_vectors_of_rfc_3720(void **state) {
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(rwd_crc32c(0, bytes, sizeof(bytes)), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_int_equal(rwd_crc32c(0, bytes, sizeof(bytes)), 0x62A8AB43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(rwd_crc32c(0, bytes, sizeof(bytes)), 0x46DD794E);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(rwd_crc32c(0, bytes, sizeof(bytes)), 0x113FDB5C);
    static const uint8_t read_command[48] = {0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0,
                                             0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02};
    assert_int_equal(rwd_crc32c(0, read_command, sizeof(read_command)), 0xD9963A56);
    assert_int_equal(rwd_crc32c(0, "123456789", 9), 0xE3069283);
}

static void crc32c_agrees_with_the_bitwise_one_at_any_alignment_and_cut(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    uint8_t bytes[300];
    for (int i = 0; i < 20000; i++) {
        size_t from = test_random_below(&r, 16), size = test_random_below(&r, 280), cut = size ? test_random_below(&r, size) : 0;
        for (size_t j = 0; j < sizeof(bytes); j++) bytes[j] = (uint8_t)(test_random_u64(&r) >> 30);
        uint32_t expected = slow_crc32c(bytes + from, size);
        assert_int_equal(rwd_crc32c(0, bytes + from, size), expected);
        assert_int_equal(rwd_crc32c(rwd_crc32c(0, bytes + from, cut), bytes + from + cut, size - cut), expected);
        if (i > 2000) i += 20;
    }
}

// Long runs go in lanes; copying goes in pieces of them.
static void crc32c_of_long_runs_agrees_too_and_copies_what_it_read(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    enum { MOST = 60000 };
    uint8_t *bytes = malloc(MOST), *copy = malloc(MOST);
    for (size_t j = 0; j < MOST; j++) bytes[j] = (uint8_t)(test_random_u64(&r) >> 30);
    for (int i = 0; i < 200; i++) {
        size_t from = test_random_below(&r, 16), size = i < 10 ? 12285 + (size_t)i : test_random_below(&r, MOST - 16), cut = size ? test_random_below(&r, size) : 0;
        uint32_t expected = slow_crc32c(bytes + from, size);
        assert_int_equal(rwd_crc32c(rwd_crc32c(0, bytes + from, cut), bytes + from + cut, size - cut), expected);
        memset(copy, 0, MOST);
        assert_int_equal(rwd_crc32c_copy(0, copy + from / 2, bytes + from, size), expected);
        assert_memory_equal(copy + from / 2, bytes + from, size);
        assert_int_equal(copy[from / 2 + size], 0);
    }
    free(bytes);
    free(copy);
}

// The input of the xxHash project's own sanity check.
static void fill_sanity_buffer(uint8_t *out, size_t size) {
    uint64_t generator = 2654435761u;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(generator >> 56);
        generator *= 11400714785074694797ULL;
    }
}

static void xxh3_has_the_published_values(void **state) {
    (void)state;
    uint8_t bytes[2367];
    fill_sanity_buffer(bytes, sizeof(bytes));
    assert_true(rwd_hash64(bytes, 0, 0) == 0x2D06800538D394C2);
    assert_true(rwd_hash64(bytes, 1, 0) == 0xC44BDFF4074EECDB);
    assert_true(rwd_hash64(bytes, 6, 0) == 0x27B56A84CD2D7325);
    assert_true(rwd_hash64(bytes, 12, 0) == 0xA713DAF0DFBB77E7);
    assert_true(rwd_hash64(bytes, 24, 0) == 0xA3FE70BF9D3510EB);
    assert_true(rwd_hash64(bytes, 48, 0) == 0x397DA259ECBA1F11);
    assert_true(rwd_hash64(bytes, 80, 0) == 0xBCDEFBBB2C47C90A);
    assert_true(rwd_hash64(bytes, 195, 0) == 0xCD94217EE362EC3A);
    rwd_hash128 empty = rwd_hash128_of(bytes, 0, 0), one = rwd_hash128_of(bytes, 1, 0);
    assert_true(empty.low == 0x6001C324468D497F && empty.high == 0x99AA06D3014798D8);
    assert_true(one.low == 0xC44BDFF4074EECDB && one.high == 0xA6CD5E9392000F6A);
    rwd_hash128 long_one = rwd_hash128_of(bytes, 403, 0);
    assert_true(long_one.low == 0xCDEB804D65C6DEA4 && long_one.high == 0x1B6DE21E332DD73D);
}

static void a_hash_of_pieces_is_the_hash_of_the_whole(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    size_t size = 20000;
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(test_random_u64(&r) >> 17);
    rwd_hasher *hasher = rwd_hasher_new();
    for (int i = 0; i < 200; i++) {
        size_t total = test_random_below(&r, size);
        for (size_t at = 0; at < total;) {
            size_t n = test_random_below(&r, 700);
            if (n > total - at) n = total - at;
            rwd_hasher_update(hasher, bytes + at, n);
            at += n;
        }
        rwd_hash128 whole = rwd_hash128_of(bytes, total, 0);
        assert_true(rwd_hash128_equal(rwd_hasher_finish(hasher), whole));
        assert_true(rwd_hash128_equal(rwd_hasher_finish(hasher), whole));
        rwd_hasher_reset(hasher);
    }
    rwd_hasher_free(hasher);
    rwd_hasher_free(NULL);
    free(bytes);
}

static unsigned __int128 wide(rwd_hash128 h) { return (unsigned __int128)h.high << 64 | h.low; }

static void a_sum_of_hashes_is_addition_modulo_2_to_128(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (int i = 0; i < 100000; i++) {
        rwd_hash128 a = {test_random_wide(&r), test_random_wide(&r)}, b = {test_random_wide(&r), test_random_wide(&r)};
        if (i % 5 == 0) a.low = UINT64_MAX;
        assert_true(wide(rwd_hash128_add(a, b)) == wide(a) + wide(b));
        assert_true(wide(rwd_hash128_sub(a, b)) == wide(a) - wide(b));
    }
}

static void a_hash_reads_back_from_its_text_and_bytes(void **state) {
    (void)state;
    test_random r = test_random_of(4);
    for (int i = 0; i < 10000; i++) {
        rwd_hash128 h = {test_random_u64(&r), test_random_u64(&r)}, back;
        char text[RWD_HASH128_HEX], expected[RWD_HASH128_HEX];
        uint8_t bytes[16];
        rwd_hash128_hex(h, text);
        snprintf(expected, sizeof(expected), "%016llx%016llx", (unsigned long long)h.high, (unsigned long long)h.low);
        assert_string_equal(text, expected);
        assert_true(rwd_hash128_parse(text, &back) && rwd_hash128_equal(back, h));
        rwd_hash128_put(h, bytes);
        assert_true(rwd_hash128_equal(rwd_hash128_get(bytes), h));
        assert_int_equal(bytes[0], h.high >> 56);
    }
    rwd_hash128 h;
    assert_false(rwd_hash128_parse("", &h));
    assert_false(rwd_hash128_parse("0123456789abcdef0123456789abcde", &h));
    assert_false(rwd_hash128_parse("0123456789abcdef0123456789abcdef0", &h));
    assert_false(rwd_hash128_parse("0123456789abcdef0123456789abcdeF", &h));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_the_vectors_of_rfc_3720),
        cmocka_unit_test(crc32c_agrees_with_the_bitwise_one_at_any_alignment_and_cut),
        cmocka_unit_test(crc32c_of_long_runs_agrees_too_and_copies_what_it_read),
        cmocka_unit_test(xxh3_has_the_published_values),
        cmocka_unit_test(a_hash_of_pieces_is_the_hash_of_the_whole),
        cmocka_unit_test(a_sum_of_hashes_is_addition_modulo_2_to_128),
        cmocka_unit_test(a_hash_reads_back_from_its_text_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
