// Frames: the four states that a reader can tell apart, at every length and for every flipped bit.
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static rwd_frame_state read_it(const uint8_t *bytes, size_t size, rwd_slice *payload, size_t *frame_size) {
    // A copy of just that size, so that a sanitizer sees any look behind the end.
    uint8_t *copy = rwd_malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    rwd_frame_state state = rwd_frame_read(rwd_slice_of(copy, size), "RWTT", 3, payload, frame_size);
    if (payload->data) *payload = rwd_slice_of(bytes + (payload->data - copy), payload->size);
    free(copy);
    return state;
}

static rwd_buf frame_of(const void *payload, size_t size, uint32_t version) {
    rwd_buf frame = {0};
    rwd_frame_append(&frame, "RWTT", version, rwd_slice_of(payload, size));
    return frame;
}

static void a_frame_gives_back_its_payload(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    for (size_t size = 0; size < 300; size++) {
        uint8_t payload[300];
        for (size_t i = 0; i < size; i++) payload[i] = (uint8_t)test_random_u64(&r);
        rwd_buf frame = frame_of(payload, size, 3);
        assert_int_equal(frame.size, RWD_FRAME_HEADER + size);
        rwd_buf_append_str(&frame, "what follows");
        rwd_slice got;
        size_t frame_size = 0;
        assert_int_equal(read_it(frame.data, frame.size, &got, &frame_size), RWD_FRAME_WHOLE);
        assert_int_equal(frame_size, RWD_FRAME_HEADER + size);
        assert_true(rwd_slice_equal(got, rwd_slice_of(payload, size)));
        rwd_buf_deinit(&frame);
    }
}

static void a_frame_that_ends_early_is_torn_at_every_length(void **state) {
    (void)state;
    rwd_buf frame = frame_of("0123456789", 10, 1);
    rwd_slice payload;
    size_t size = 0;
    assert_int_equal(read_it(frame.data, 0, &payload, &size), RWD_FRAME_END);
    for (size_t length = 1; length < frame.size; length++) assert_int_equal(read_it(frame.data, length, &payload, &size), RWD_FRAME_TORN);
    rwd_buf_deinit(&frame);
}

static void zeros_to_the_end_are_a_torn_frame(void **state) {
    (void)state;
    uint8_t zeros[64] = {0};
    rwd_slice payload;
    size_t size = 0;
    for (size_t length = 1; length <= sizeof(zeros); length++) assert_int_equal(read_it(zeros, length, &payload, &size), RWD_FRAME_TORN);
    zeros[63] = 1;
    assert_int_equal(read_it(zeros, sizeof(zeros), &payload, &size), RWD_FRAME_CORRUPT);
}

static void no_flipped_bit_is_taken_for_a_whole_frame(void **state) {
    (void)state;
    rwd_buf frame = frame_of("0123456789", 10, 3);
    for (size_t bit = 0; bit < frame.size * 8; bit++) {
        rwd_slice payload;
        size_t size = 0;
        frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rwd_frame_state got = read_it(frame.data, frame.size, &payload, &size);
        // A length that grew looks like a frame that ends early; nothing looks like one of a newer version.
        assert_true(got == RWD_FRAME_CORRUPT || (got == RWD_FRAME_TORN && bit / 8 >= 8 && bit / 8 < 12));
        assert_null(payload.data);
        frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    rwd_buf_deinit(&frame);
}

static void a_newer_version_is_told_from_damage(void **state) {
    (void)state;
    rwd_buf frame = frame_of("abc", 3, 4);
    rwd_slice payload;
    size_t size = 0;
    assert_int_equal(read_it(frame.data, frame.size, &payload, &size), RWD_FRAME_NEWER);
    assert_int_equal(size, frame.size);
    rwd_buf_deinit(&frame);
}

static void another_magic_is_not_ours(void **state) {
    (void)state;
    rwd_buf frame = {0};
    rwd_frame_append(&frame, "RWXX", 1, rwd_slice_str("abc"));
    rwd_slice payload;
    size_t size = 0;
    assert_int_equal(read_it(frame.data, frame.size, &payload, &size), RWD_FRAME_CORRUPT);
    rwd_buf_deinit(&frame);
}

static void a_length_beyond_the_limit_is_damage_however_much_follows(void **state) {
    (void)state;
    rwd_buf frame = frame_of("abc", 3, 1);
    rwd_put_le32(frame.data + 8, RWD_FRAME_PAYLOAD_MAX + 1);
    rwd_slice payload;
    size_t size = 0;
    assert_int_equal(read_it(frame.data, frame.size, &payload, &size), RWD_FRAME_CORRUPT);
    rwd_buf_deinit(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_gives_back_its_payload),
        cmocka_unit_test(a_frame_that_ends_early_is_torn_at_every_length),
        cmocka_unit_test(zeros_to_the_end_are_a_torn_frame),
        cmocka_unit_test(no_flipped_bit_is_taken_for_a_whole_frame),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
        cmocka_unit_test(another_magic_is_not_ours),
        cmocka_unit_test(a_length_beyond_the_limit_is_damage_however_much_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
