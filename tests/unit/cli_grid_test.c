// Aligned columns and ages.
#include "operator/cli/grid.h"

#include "tests/unit/test.h"

static void columns_line_up_by_characters_not_bytes(void **state) {
    (void)state;
    rwd_grid grid;
    rwd_buf out = {0};
    rwd_grid_init(&grid);
    rwd_grid_column(&grid, "NAME", false);
    rwd_grid_column(&grid, "N", true);
    rwd_grid_column(&grid, "", false);
    rwd_grid_text(&grid, "Türkiye");
    rwd_grid_int(&grid, 5);
    rwd_grid_text(&grid, "");
    rwd_grid_text(&grid, "a");
    rwd_grid_int(&grid, -1234);
    rwd_grid_text(&grid, "end");
    assert_int_equal(rwd_grid_rows(&grid), 3);
    rwd_grid_flush(&grid, &out);
    assert_string_equal(rwd_buf_cstr(&out), "NAME         N\n"
                                            "Türkiye      5\n"
                                            "a        -1234  end\n");
    // A later piece keeps the widths, and its first cell is in the first column.
    rwd_buf_clear(&out);
    rwd_grid_text(&grid, "b");
    rwd_grid_int(&grid, 1);
    rwd_grid_text(&grid, "x");
    rwd_grid_flush(&grid, &out);
    assert_string_equal(rwd_buf_cstr(&out), "b            1  x\n");
    rwd_grid_deinit(&grid);
    rwd_buf_deinit(&out);
}

static void cells_cannot_break_the_terminal(void **state) {
    (void)state;
    rwd_grid grid;
    rwd_buf out = {0};
    rwd_grid_init(&grid);
    rwd_grid_column(&grid, "A", false);
    rwd_grid_text(&grid, "a\033[2J\nb");
    rwd_grid_cell(&grid, rwd_slice_of("\xff\xfe", 2));
    rwd_grid_flush(&grid, &out);
    assert_string_equal(rwd_buf_cstr(&out), "A\na?[2J?b\n??\n");
    rwd_grid_deinit(&grid);
    rwd_buf_deinit(&out);
}

static void a_long_cell_is_cut_between_characters_unless_it_is_the_last(void **state) {
    (void)state;
    rwd_grid grid;
    rwd_buf out = {0}, text = {0};
    for (int i = 0; i < 70; i++) rwd_buf_append_str(&text, "ä");
    rwd_grid_init(&grid);
    rwd_grid_column(&grid, "A", false);
    rwd_grid_column(&grid, "B", false);
    rwd_grid_cell(&grid, rwd_buf_slice(&text));
    rwd_grid_cell(&grid, rwd_buf_slice(&text));
    rwd_grid_flush(&grid, &out);
    assert_true(rwd_utf8_valid(rwd_buf_slice(&out)));
    const char *row = strchr(rwd_buf_cstr(&out), '\n') + 1;
    assert_int_equal(strstr(row, "...  ä") - row, (RWD_GRID_CELL_MAX - 3) * 2);
    assert_int_equal(strlen(row), (RWD_GRID_CELL_MAX - 3) * 2 + 3 + 2 + 70 * 2 + 1);
    rwd_grid_deinit(&grid);
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&text);
}

static void assert_age(int64_t seconds, const char *expected) {
    rwd_buf out = {0};
    rwd_age_text(1000000, 1000000 + seconds * 1000000, &out);
    assert_string_equal(rwd_buf_cstr(&out), expected);
    rwd_buf_deinit(&out);
}

static void ages_are_told_in_one_unit(void **state) {
    (void)state;
    assert_age(0, "0 s");
    assert_age(119, "119 s");
    assert_age(120, "2 min");
    assert_age(7199, "119 min");
    assert_age(7200, "2 h");
    assert_age(2 * 86400, "2 d");
    assert_age(-1, "in the future");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_by_characters_not_bytes),
        cmocka_unit_test(cells_cannot_break_the_terminal),
        cmocka_unit_test(a_long_cell_is_cut_between_characters_unless_it_is_the_last),
        cmocka_unit_test(ages_are_told_in_one_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
