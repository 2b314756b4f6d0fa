// Lists of open sessions against a set of intervals, and at their bounds.
#include "state/sessions.h"

#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define EVENTS 4000

// Events one by one; the model keeps every session that is open, and looks at all of them.
static void compare_with_intervals(uint64_t seed, int64_t gap, int64_t grace, int64_t reach, size_t *all_merged, size_t *all_late) {
    test_random dice = test_random_of(seed);
    const rwd_window window = {.kind = RWD_WINDOW_SESSION, .size = gap, .advance = gap, .grace = grace, .retain = grace};
    static rwd_session model[EVENTS];
    uint8_t *list = calloc(1, RWD_SESSIONS_BYTES_MAX), *next = calloc(1, RWD_SESSIONS_BYTES_MAX);
    size_t open = 0, merged = 0, late = 0;
    int64_t now = INT64_MIN, clock = 1000000;
    uint32_t size = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        clock += (int64_t)test_random_below(&dice, 6 * (uint64_t)gap);
        int64_t time = clock - (int64_t)test_random_below(&dice, (uint64_t)reach);
        for (size_t k = 0; k < open;)
            if (now != INT64_MIN && model[k].end + grace <= now) model[k] = model[--open];
            else k++;
        bool inside = false;
        rwd_session made = {time, time + gap};
        size_t joins = 0;
        for (size_t k = 0; k < open; k++) {
            if (model[k].start >= time + gap || model[k].end <= time) continue;
            inside |= model[k].start <= time;
            if (model[k].start < made.start) made.start = model[k].start;
            if (model[k].end > made.end) made.end = model[k].end;
            joins++;
        }
        bool admitted = inside || now == INT64_MIN || time + gap + grace > now;
        assert_int_equal(rwd_sessions_admit(&window, list, size, time, now), admitted);
        rwd_session joined[RWD_SESSIONS_JOINED_MAX];
        assert_int_equal(rwd_sessions_joined(&window, list, size, time, now, joined), joins);
        late += !admitted;
        if (!admitted) continue;
        merged += joins == 2;
        for (size_t k = 0; k < open;)
            if (model[k].start < made.end && made.start < model[k].end) model[k] = model[--open];
            else k++;
        model[open++] = made;
        size = rwd_sessions_put(&window, list, size, &made, now, next);
        uint8_t *swap = list;
        list = next;
        next = swap;
        assert_int_equal(rwd_sessions_count(size), open);
        for (size_t k = 0; k < open; k++) {
            rwd_session at = rwd_sessions_at(list, k);
            if (k > 0) assert_true(rwd_sessions_at(list, k - 1).end <= at.start);
            bool known = false;
            for (size_t j = 0; j < open; j++) known |= model[j].start == at.start && model[j].end == at.end;
            assert_true(known);
        }
        if (time > now) now = time;
    }
    *all_merged += merged;
    *all_late += late;
    free(list);
    free(next);
}

static void lists_hold_what_overlaps(void **state) {
    (void)state;
    size_t merged = 0, late = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) compare_with_intervals(seed, 100, (int64_t)seed * 100, 3000, &merged, &late);
    assert_true(merged > 300 && late > 3000);
}

// Sessions a gap apart, as many as the longest grace keeps open, and one far ahead of all.
static void the_longest_list_fits(void **state) {
    (void)state;
    const rwd_window window = {.kind = RWD_WINDOW_SESSION, .size = 10, .advance = 10, .grace = 10 * RWD_SESSION_GRACE_MAX - 1, .retain = 1000000};
    assert_true(rwd_window_grace_fits(&window));
    uint8_t *list = calloc(1, RWD_SESSIONS_BYTES_MAX), *next = calloc(1, RWD_SESSIONS_BYTES_MAX);
    uint32_t size = 0, most = 0;
    int64_t now = INT64_MIN;
    for (int64_t time = 0; time < 10 * 3 * RWD_SESSION_GRACE_MAX; time += 10) {
        rwd_session made = {time, time + 10};
        size = rwd_sessions_put(&window, list, size, &made, now, next);
        uint8_t *swap = list;
        list = next;
        next = swap;
        now = time;
        if (size > most) most = size;
    }
    rwd_session ahead = {now + 1000000, now + 1000010};
    assert_true(rwd_sessions_put(&window, list, size, &ahead, now, next) <= RWD_SESSIONS_BYTES_MAX);
    assert_true(rwd_sessions_count(most) > RWD_SESSION_GRACE_MAX - 2);
    assert_int_equal(rwd_sessions_remove(list, size, now, next), size - RWD_SESSION_BYTES);
    assert_int_equal(rwd_sessions_remove(list, size, now + 1, next), size);
    free(list);
    free(next);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_hold_what_overlaps), cmocka_unit_test(the_longest_list_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
